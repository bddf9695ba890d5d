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

from taskrobust_jax.data import stored
from taskrobust_jax.data.pictures import image_info, image_rows

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
    stored.check_indices(indices, len(self), self._name)
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
      raise stored.unreadable(self._folder, self._name, error) from error


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

    stored.check_split(name)
    shards = len(self.info.shard_rows[name])
    files = [
      os.path.join(self.directory, stored.file_name(name, i, shards))
      for i in range(shards)
    ]
    source = stored.open_split(
      self.directory,
      self.info,
      name,
      lambda: array_record_data_source.ArrayRecordDataSource(files),
    )
    return RowSource(name, source, self.directory, self.info)

  def verify(self) -> str:
    """Reads every row; returns the digest if it is what it should be.

    Raises:
      InputError: a shard that cannot be read or has other rows than those that
        were written: the first one is named.
    """
    stored.verify_shards(self.directory, self.info, self.split, _digest_of)
    return self.info.digest


def _digest_of(rows: RowSource, first: int, last: int) -> str:
  digest = image_rows.Digest()
  for start in range(first, last, _ROWS_AT_ONCE):
    for row in rows.read_stored(range(start, min(start + _ROWS_AT_ONCE, last))):
      digest.add(row)
  return digest.hexdigest()


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
  stored.check_complete(directory, info)
  stored.check_digest(directory, digest, info.digest)
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
