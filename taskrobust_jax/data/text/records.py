"""Rows on disk: a TFDS dataset of ArrayRecord shards, and its reader.

A dataset is one folder:

  dataset.json         what it holds and was made from; written last, so that
                       its presence means a complete dataset
  tokenizer.json       the tokenizer, whose hash stands in dataset.json
  dataset_info.json,   TFDS's own: `tfds.builder_from_directory(folder)` reads
  features.json        the rows too, TensorFlow or not
  rows-train.array_record-00000-of-00001, ...    the shards, each made of one
                       block of documents
"""

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
import json
import os
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data import stored
from taskrobust_jax.data.text import (
  dataset_info,
  packing,
  tfds_files,
  wordpiece,
)

TOKENIZER_FILE = "tokenizer.json"


class RowSource:
  """The rows of a split, by index."""

  def __init__(
    self,
    name: str,
    source: Any,
    folder: str,
    info: dataset_info.DatasetInfo,
  ):
    self._name, self._source = name, source
    self._folder, self._row_length = folder, info.row_length
    # A device reads *something* for an id out of range, and says nothing.
    self._sizes = {
      "tokens": info.vocabulary_size,
      "tags": len(info.tag_names),
      "segment_ids": info.row_length + 1,
      "positions": info.row_length,
      "word_starts": 2,
    }

  def __len__(self) -> int:
    return len(self._source)

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    """Reads rows.

    Args:
      indices: n row indices, 0 to len(self) - 1, in any order.

    Returns:
      {feature: int32 [n, L]} for `packing.FEATURES`, in the order of `indices`.

    Raises:
      InputError: an index out of range, a shard that is damaged, or an id out
        of its range (a token's is the vocabulary's).
    """
    from tensorflow_datasets.proto import tf_example_generated_pb2

    indices = [int(i) for i in indices]
    stored.check_indices(indices, len(self), self._name)
    # TFDS's own decoding reads some 7,000 rows/s, this 28,000 (L = 128).
    parse = tf_example_generated_pb2.Example.FromString
    try:
      records = self._source.__getitems__(indices)
      examples = [parse(record).features.feature for record in records]
      block = {
        name: np.frombuffer(
          b"".join(e[name].bytes_list.value[0] for e in examples), "<i4"
        ).reshape(len(indices), self._row_length)
        for name in packing.FEATURES
      }
    except Exception as error:  # What it raises differs with the damage.
      raise stored.unreadable(self._folder, self._name, error) from error
    for name, size in self._sizes.items():
      values = block[name]
      # As unsigned a negative value is large: one pass finds both.
      if values.size and values.view("<u4").max() >= size:
        wrong = values[(values < 0) | (values >= size)][0]
        raise errors.InputError(
          f"{self._folder}: the split {self._name} has {wrong} in {name}; "
          f"0 to {size - 1} is legal"
        )
    return block


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A prepared dataset; see `open_dataset`."""

  directory: str
  info: dataset_info.DatasetInfo

  def split(self, name: str) -> RowSource:
    """The rows of "train" or "eval"."""
    import tensorflow_datasets as tfds

    stored.check_split(name)
    tfds_files.check(self.directory, self.info.row_length, self.info.rows)
    source = stored.open_split(
      self.directory,
      self.info,
      name,
      lambda: tfds.builder_from_directory(self.directory).as_data_source(
        name, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
      ),
    )
    return RowSource(name, source, self.directory, self.info)

  def tokenizer_file(self) -> str:
    """The path of tokenizer.json."""
    return os.path.join(self.directory, TOKENIZER_FILE)

  def verify(self) -> str:
    """Reads every row; returns the digest if it is what it should be.

    Raises:
      InputError: a shard that cannot be read or has other rows than those that
        were written: the first one is named.
    """
    info = self.info
    stored.verify_shards(self.directory, info, self.split, _digest_of)
    digest = dataset_digest(info.tokenizer_sha256, info.shard_digests)
    if digest != info.digest:
      raise errors.InputError(
        f"{self.directory}: the shards' digests give {digest}, "
        f"{stored.INFO_FILE} says {info.digest}"
      )
    return digest


def _digest_of(rows: RowSource, first: int, last: int) -> str:
  digest = RowsDigest()
  for start in range(first, last, 1024):
    block = rows.read(range(start, min(start + 1024, last)))
    for i in range(len(block["tokens"])):
      digest.add({key: value[i] for key, value in block.items()})
  return digest.hexdigest()


class RowsDigest:
  """sha256 over rows, in order."""

  def __init__(self):
    self._hash = hashlib.sha256()

  def add(self, row: Mapping[str, np.ndarray]) -> None:
    """Adds the next row."""
    for name in packing.FEATURES:
      self._hash.update(row[name].astype("<i4", copy=False).tobytes())

  def hexdigest(self) -> str:
    """The digest of all rows added so far."""
    return self._hash.hexdigest()


def dataset_digest(
  tokenizer_sha256: str, shard_digests: Mapping[str, Sequence[str]]
) -> str:
  """The digest of a dataset: sha256 over those of its shards and tokenizer."""
  parts = [
    dataset_info.SCHEMA_VERSION,
    list(packing.FEATURES),
    tokenizer_sha256,
    *([name, list(shard_digests[name])] for name in stored.SPLITS),
  ]
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
  stored.check_complete(directory, info)
  dataset = Dataset(directory, info)
  seen = wordpiece.sha256(dataset.tokenizer_file())
  if seen != info.tokenizer_sha256:
    raise errors.InputError(
      f"{dataset.tokenizer_file()}: is not the tokenizer of these rows: its "
      f"sha256 is {seen}, {stored.INFO_FILE} says {info.tokenizer_sha256}"
    )
  if row_length is not None and row_length != info.row_length:
    raise errors.InputError(
      f"row_length: the config says {row_length}; the rows in {directory} "
      f"have {info.row_length}"
    )
  stored.check_digest(directory, digest, info.digest)
  return dataset
