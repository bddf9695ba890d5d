"""Rows on disk: a TFDS dataset of ArrayRecord shards, and its reader.

A dataset is one folder:

  dataset.json         what it holds and was made from; written last, so that
                       its presence means a complete dataset
  tokenizer.json       the tokenizer, whose hash stands in dataset.json
  dataset_info.json,   TFDS's own: `tfds.builder_from_directory(folder)` reads
  features.json        the rows too, TensorFlow or not
  rows-train.array_record-00000-of-00001, ...    the shards
"""

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
import json
import os
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data import dataset_info, packing, tfds_files, wordpiece

SPLITS = dataset_info.SPLITS
TOKENIZER_FILE = "tokenizer.json"


class RowSource:
  """The rows of a split, by index."""

  def __init__(self, name: str, source: Any, folder: str, row_length: int):
    self._name, self._source = name, source
    self._folder, self._row_length = folder, row_length

  def __len__(self) -> int:
    return len(self._source)

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    """Reads rows.

    Args:
      indices: n row indices, 0 to len(self) - 1, in any order.

    Returns:
      {feature: int32 [n, L]} for `packing.FEATURES`, in the order of `indices`.

    Raises:
      InputError: an index out of range, or a shard that is damaged.
    """
    from tensorflow_datasets.proto import tf_example_generated_pb2

    indices = [int(i) for i in indices]
    size = len(self)
    if indices and not 0 <= min(indices) <= max(indices) < size:
      raise errors.InputError(
        f"indices: {min(indices)} to {max(indices)}, but {self._name} has the "
        f"rows 0 to {size - 1}"
      )
    # TFDS's own decoding reads some 7,000 rows/s, this 28,000 (L = 128).
    parse = tf_example_generated_pb2.Example.FromString
    try:
      records = self._source.__getitems__(indices)
      examples = [parse(record).features.feature for record in records]
      return {
        name: np.frombuffer(
          b"".join(e[name].bytes_list.value[0] for e in examples), "<i4"
        ).reshape(len(indices), self._row_length)
        for name in packing.FEATURES
      }
    except Exception as error:  # What it raises differs with the damage.
      raise errors.InputError(
        f"{self._folder}: rows of the split {self._name} cannot be read, the "
        f"files are damaged or incomplete: {error}"
      ) from error


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A prepared dataset; see `open_dataset`."""

  directory: str
  info: dataset_info.DatasetInfo

  def split(self, name: str) -> RowSource:
    """The rows of "train" or "eval"."""
    import tensorflow_datasets as tfds

    if name not in SPLITS:
      raise errors.InputError(f"split: {name!r} is not one of {SPLITS}")
    tfds_files.check(self.directory, self.info.row_length, self.info.rows)
    try:
      source = tfds.builder_from_directory(self.directory).as_data_source(
        name, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
      )
      size = len(source)
    except Exception as error:  # TFDS's and the file system's are many.
      raise errors.InputError(
        f"{self.directory}: the split {name} cannot be opened: {error}"
      ) from error
    if size != self.info.rows[name]:
      raise errors.InputError(
        f"{self.directory}: the split {name} has {size} rows; "
        f"{dataset_info.INFO_FILE} says {self.info.rows[name]}"
      )
    return RowSource(name, source, self.directory, self.info.row_length)

  def tokenizer_file(self) -> str:
    """The path of tokenizer.json."""
    return os.path.join(self.directory, TOKENIZER_FILE)

  def compute_digest(self) -> str:
    """Reads every row and computes what `info.digest` should be."""
    digest = Digest(self.info.tokenizer_sha256)
    for name in SPLITS:
      source = self.split(name)
      for start in range(0, len(source), 1024):
        block = source.read(range(start, min(start + 1024, len(source))))
        for i in range(len(block["tokens"])):
          digest.add(name, {key: value[i] for key, value in block.items()})
    return digest.hexdigest()


class Digest:
  """sha256 over the rows of both splits, which may come interleaved."""

  def __init__(self, tokenizer_sha256: str):
    self._tokenizer = tokenizer_sha256
    self._splits = {name: hashlib.sha256() for name in SPLITS}

  def add(self, split: str, row: Mapping[str, np.ndarray]) -> None:
    """Adds the next row of a split."""
    for name in packing.FEATURES:
      self._splits[split].update(row[name].astype("<i4").tobytes())

  def hexdigest(self) -> str:
    """The digest of all rows added so far."""
    parts = [
      dataset_info.SCHEMA_VERSION,
      list(packing.FEATURES),
      self._tokenizer,
    ]
    parts += [[name, h.hexdigest()] for name, h in self._splits.items()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def open_dataset(
  directory: str,
  *,
  row_length: int | None = None,
  digest: str | None = None,
) -> Dataset:
  """Opens a prepared dataset.

  Args:
    directory: the folder that `prepare` wrote.
    row_length: what the caller's config says, or None.
    digest: what the caller's config says, or None (or empty) for any.

  Returns:
    The dataset; its rows are read when they are asked for.

  Raises:
    InputError: no complete dataset, a dataset.json that is damaged or of
      another schema, or a tokenizer, row_length or digest that differs.
  """
  directory = os.path.abspath(os.path.expanduser(directory))
  info = dataset_info.read(directory)
  if info is None:
    is_there = os.path.isdir(directory)
    problem = "holds no complete dataset" if is_there else "is no folder"
    raise errors.InputError(
      f"data_dir: {directory} {problem} (no {dataset_info.INFO_FILE}); "
      "prepare it with `python -m taskrobust_jax.prepare --config=CONFIG "
      f"--data_dir={directory}`"
    )
  dataset = Dataset(directory, info)
  seen = wordpiece.sha256(dataset.tokenizer_file())
  if seen != info.tokenizer_sha256:
    raise errors.InputError(
      f"{dataset.tokenizer_file()}: is not the tokenizer of these rows: its "
      f"sha256 is {seen}, {dataset_info.INFO_FILE} says {info.tokenizer_sha256}"
    )
  if row_length is not None and row_length != info.row_length:
    raise errors.InputError(
      f"row_length: the config says {row_length}; the rows in {directory} "
      f"have {info.row_length}"
    )
  if digest and digest != info.digest:
    raise errors.InputError(
      f"digest: the config says {digest}; the dataset in {directory} has "
      f"{info.digest}"
    )
  return dataset
