"""Pictures on disk: ArrayRecord shards, and their reader.

A dataset is one folder:

  dataset.json         what it holds and was made from (`image_info.py`);
                       written last: its presence means a complete dataset
  rows-train.array_record-00000-of-00001, ...    the rows (`image_rows.py`)

All pictures of a dataset have one size. A row has one or more of the dataset's
modalities and says which.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import os
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data import image_info, image_rows, image_shards

SPLITS = image_info.SPLITS
_ROWS_AT_ONCE = 256


class RowSource:
  """The rows of a split, by index."""

  def __init__(
    self, name: str, source: Any, folder: str, info: image_info.ImageInfo
  ):
    self._name, self._source = name, source
    self._folder, self._info = folder, info

  def __len__(self) -> int:
    return len(self._source)

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    """Reads rows.

    Args:
      indices: n row indices, 0 to len(self) - 1, in any order.

    Returns:
      What `stack` returns, in the order of `indices`.

    Raises:
      InputError: an index out of range, or a shard that is damaged.
    """
    examples = [image_rows.from_stored(s) for s in self.read_stored(indices)]
    info = self._info
    return stack(
      examples,
      (info.height, info.width),
      info.modalities,
      has_label=bool(info.label_names),
    )

  def read_stored(self, indices: Sequence[int]) -> list[dict[str, Any]]:
    """Reads rows as `image_rows.to_stored` gave them; raises as `read`."""
    indices = [int(i) for i in indices]
    check_indices(indices, len(self), self._name)
    if not indices:
      return []
    info = self._info
    shape = info.height, info.width
    try:
      return [
        image_rows.unpack(record, shape, len(info.class_names))
        for record in self._source.__getitems__(indices)
      ]
    except Exception as error:  # What it raises differs with the damage.
      raise errors.InputError(
        f"{self._folder}: rows of the split {self._name} cannot be read, the "
        f"files are damaged or incomplete: {error}"
      ) from error


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A prepared dataset of pictures; see `open_dataset`."""

  directory: str
  info: image_info.ImageInfo

  def split(self, name: str) -> RowSource:
    """The rows of "train" or "eval".

    Raises:
      InputError: another name, or shards that are absent or damaged.
    """
    from array_record.python import array_record_data_source

    check_split(name)
    shards = len(self.info.shard_rows[name])
    files = [
      os.path.join(self.directory, image_shards.file_name(name, i, shards))
      for i in range(shards)
    ]
    try:
      source = array_record_data_source.ArrayRecordDataSource(files)
      size = len(source)
    except Exception as error:  # ArrayRecord's and the file system's are many.
      raise errors.InputError(
        f"{self.directory}: the split {name} cannot be opened: {error}"
      ) from error
    if size != self.info.rows[name]:
      raise errors.InputError(
        f"{self.directory}: the split {name} has {size} rows; "
        f"{image_info.INFO_FILE} says {self.info.rows[name]}"
      )
    return RowSource(name, source, self.directory, self.info)

  def verify(self) -> str:
    """Reads every row; returns the digest if it is what it should be.

    Raises:
      InputError: a shard that cannot be read or has other rows than those that
        were written: the first one is named.
    """
    info = self.info
    for name in SPLITS:
      source, first = self.split(name), 0
      pairs = zip(info.shard_rows[name], info.shard_digests[name], strict=True)
      for i, (rows, expected) in enumerate(pairs):
        place = f"shard {i} of {len(info.shard_rows[name])} of {name}"
        digest = image_rows.Digest()
        for start in range(first, first + rows, _ROWS_AT_ONCE):
          last = min(start + _ROWS_AT_ONCE, first + rows)
          try:
            block = source.read_stored(range(start, last))
          except errors.InputError as error:
            raise errors.InputError(f"{place} is damaged: {error}") from error
          for stored in block:
            digest.add(stored)
        if digest.hexdigest() != expected:
          raise errors.InputError(
            f"{self.directory}: {place} is damaged: the digest of its rows is "
            f"{digest.hexdigest()}, {image_info.INFO_FILE} says {expected}"
          )
        first += rows
    return info.digest


def open_dataset(directory: str, *, digest: str | None = None) -> Dataset:
  """Opens a prepared dataset of pictures.

  Args:
    directory: the folder that was written.
    digest: what the caller's config says, or None (or empty) for any.

  Returns:
    The dataset; its rows are read when they are asked for.

  Raises:
    InputError: no complete dataset, a dataset.json that is damaged or of
      another schema, or a digest that differs.
  """
  directory = os.path.abspath(os.path.expanduser(directory))
  info = image_info.read(directory)
  if info is None:
    is_there = os.path.isdir(directory)
    problem = "holds no complete dataset" if is_there else "is no folder"
    raise errors.InputError(
      f"data_dir: {directory} {problem} (no {image_info.INFO_FILE}); "
      "prepare it with `python -m taskrobust_jax.prepare --config=CONFIG "
      f"--data_dir={directory}`"
    )
  check_digest(directory, digest, info.digest)
  return Dataset(directory, info)


def stack(
  examples: Sequence[Mapping[str, Any]],
  shape: tuple[int, int],
  modalities: Sequence[str],
  *,
  has_label: bool,
) -> dict[str, np.ndarray]:
  """Makes a block of fixed shapes of examples that have different modalities.

  Args:
    examples: n, their pictures of one shape.
    shape: height H and width W.
    modalities: of `image_rows.FEATURES`.
    has_label: whether examples may have a label.

  Returns:
    For each modality [n, H, W, ...] as in `image_rows.FEATURES`, and
    `has_<modality>` bool [n]; where it is false there are zeros. With labels,
    `label` int32 [n] and `has_label` bool [n]. Within what is there, missing
    depth is NaN, a missing normal is zeros and a missing label of a pixel -1.
  """
  count = len(examples)
  block = {}
  for name in modalities:
    channels, dtype = image_rows.FEATURES[name]
    values = np.zeros((count, *shape, *channels), dtype)
    for i, example in enumerate(examples):
      if name in example:
        values[i] = example[name]
    block[name] = values
    block[f"has_{name}"] = np.array([name in e for e in examples], bool)
  if has_label:
    labels = [example.get(image_rows.LABEL, 0) for example in examples]
    is_there = [image_rows.LABEL in example for example in examples]
    block["label"] = np.array(labels, np.int32)
    block["has_label"] = np.array(is_there, bool)
  return block


def check_split(name: str) -> None:
  """Raises InputError unless it is one of `SPLITS`."""
  if name not in SPLITS:
    raise errors.InputError(f"split: {name!r} is not one of {SPLITS}")


def check_indices(indices: Sequence[int], size: int, name: str) -> None:
  """Raises InputError unless all are rows of a split of this size."""
  if len(indices) and not 0 <= min(indices) <= max(indices) < size:
    raise errors.InputError(
      f"indices: {min(indices)} to {max(indices)}, but {name} has the rows 0 "
      f"to {size - 1}"
    )


def check_digest(place: str, wanted: str | None, seen: str) -> None:
  """Raises InputError if a digest is wanted and it is another one."""
  if wanted and wanted != seen:
    raise errors.InputError(
      f"digest: the config says {wanted}; the dataset in {place} has {seen}"
    )
