"""Writes a dataset of rows; `records.py` says what it looks like."""

from collections.abc import Iterator, Mapping
import contextlib
import glob
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data import (
  dataset_info,
  packing,
  part_of_speech,
  records,
  wordpiece,
)

if TYPE_CHECKING:
  import tokenizers

_NAME = "rows"  # The dataset's name in TFDS and its shards' first word.
_ROWS_A_SHARD = 1 << 16


class Writer:
  """Writes a dataset; use it as a context manager, then call `finish`.

  Shards get temporary names until all is written; leaving the context before
  `finish` removes them.

  Args:
    directory: a folder without a dataset.json; made if absent.
    row_length: L.
    tokenizer: the tokenizer, saved first.

  Raises:
    InputError: the folder holds a complete dataset.
  """

  def __init__(
    self, directory: str, row_length: int, tokenizer: "tokenizers.Tokenizer"
  ):
    import tensorflow_datasets as tfds

    if os.path.exists(os.path.join(directory, dataset_info.INFO_FILE)):
      raise errors.InputError(
        f"data_dir: {directory} holds a complete dataset; give another folder"
      )
    os.makedirs(directory, exist_ok=True)
    for name in dataset_info.SPLITS:
      pattern = os.path.join(glob.escape(directory), f"{_NAME}-{name}.*")
      for file in glob.glob(pattern):
        os.remove(file)  # What an interrupted run has left.
    self._directory = directory
    self._row_length = row_length
    self._vocabulary_size = tokenizer.get_vocab_size()
    self._tokenizer_sha256 = wordpiece.save(
      tokenizer, os.path.join(directory, records.TOKENIZER_FILE)
    )
    tensor = tfds.features.Tensor(
      shape=(row_length,),
      dtype=np.int32,
      # Bytes are parsed three times as fast as lists of integers.
      encoding=tfds.features.Encoding.BYTES,
    )
    self._features = tfds.features.FeaturesDict(
      dict.fromkeys(packing.FEATURES, tensor)
    )
    self._digest = records.Digest(self._tokenizer_sha256)
    self._splits = {
      name: _SplitWriter(directory, name) for name in dataset_info.SPLITS
    }

  def __enter__(self) -> "Writer":
    return self

  def __exit__(self, *_) -> None:
    for split in self._splits.values():
      split.discard()

  def write(self, split: str, row: Mapping[str, np.ndarray]) -> None:
    """Appends a row (from `packing.pack`) to "train" or "eval"."""
    self._digest.add(split, row)
    self._splits[split].write(self._features.serialize_example(row), row)

  def finish(
    self,
    *,
    source: str,
    tagger: str,
    arguments: Mapping[str, Any],
    inputs: Mapping[str, int],
    versions: Mapping[str, str],
  ) -> dataset_info.DatasetInfo:
    """Gives the shards their names and writes dataset.json, last."""
    import tensorflow_datasets as tfds

    for name, split in self._splits.items():
      if not split.rows:
        raise errors.InputError(f"the split {name} has 0 rows; at least 1")
    infos = [split.finish() for split in self._splits.values()]
    tfds.folder_dataset.write_metadata(
      data_dir=self._directory,
      features=self._features,
      split_infos=infos,
      # The check reads with TensorFlow.
      check_data=False,
    )
    splits = self._splits.items()
    info = dataset_info.DatasetInfo(
      schema_version=dataset_info.SCHEMA_VERSION,
      source=source,
      tagger=tagger,
      row_length=self._row_length,
      vocabulary_size=self._vocabulary_size,
      tag_names=part_of_speech.TAG_NAMES,
      special_token_ids=dict(wordpiece.SPECIAL_TOKEN_IDS),
      rows={name: split.rows for name, split in splits},
      tokens={name: split.tokens for name, split in splits},
      tag_counts={name: split.tag_counts() for name, split in splits},
      padding_share={
        name: 1 - split.tokens / (split.rows * self._row_length)
        for name, split in splits
      },
      tokenizer_sha256=self._tokenizer_sha256,
      digest=self._digest.hexdigest(),
      arguments=dict(arguments),
      inputs=dict(inputs),
      versions=dict(versions),
    )
    dataset_info.write(self._directory, info)
    return info


class _SplitWriter:
  """The shards of one split, and its counts."""

  def __init__(self, directory: str, name: str):
    self._directory, self._name = directory, name
    self._writer, self._files, self._shard_rows = None, [], []
    self._tags = np.zeros(len(part_of_speech.TAG_NAMES), np.int64)
    self.rows = self.tokens = self._bytes = 0

  def write(self, record: bytes, row: Mapping[str, np.ndarray]) -> None:
    if self.rows % _ROWS_A_SHARD == 0:
      self._open()
    with _as_os_error(self._files[-1]):
      self._writer.write(record)
    self.rows += 1
    self._shard_rows[-1] += 1
    self._bytes += len(record)
    self.tokens += int(np.count_nonzero(row["segment_ids"]))
    tags = row["tags"][row["word_starts"] > 0]
    self._tags += np.bincount(tags, minlength=len(self._tags))

  def tag_counts(self) -> dict[str, int]:
    """Words by tag; tag 0 only where a text had words without a tag."""
    names = zip(part_of_speech.TAG_NAMES, self._tags.tolist(), strict=True)
    return {name: count for name, count in names if count or name != "_"}

  def finish(self):
    """Renames the shards and returns their TFDS SplitInfo."""
    from array_record.python import array_record_module
    import tensorflow_datasets as tfds

    self._close()
    template = tfds.core.ShardedFileTemplate(
      data_dir=self._directory,
      dataset_name=_NAME,
      split=self._name,
      filetype_suffix="array_record",
    )
    for i, (file, rows) in enumerate(
      zip(self._files, self._shard_rows, strict=True)
    ):
      # A disk that filled up may show only here.
      reader = array_record_module.ArrayRecordReader(file)
      seen = reader.num_records()
      reader.close()
      if seen != rows:
        raise OSError(f"{file}: {rows} rows were written, {seen} are there")
      with open(file, "rb") as stream:
        os.fsync(stream.fileno())
      final = template.sharded_filepath(
        shard_index=i, num_shards=len(self._files)
      )
      os.replace(file, final)
    self._files = []
    return tfds.core.SplitInfo(
      name=self._name,
      shard_lengths=self._shard_rows,
      num_bytes=self._bytes,
      filename_template=template,
    )

  def discard(self) -> None:
    """Removes what has no final name yet."""
    with contextlib.suppress(Exception):
      self._close()
    for file in self._files:
      with contextlib.suppress(OSError):
        os.remove(file)

  def _open(self) -> None:
    from array_record.python import array_record_module

    self._close()
    number = len(self._files)
    name = f"{_NAME}-{self._name}.incomplete-{number:05d}"
    self._files.append(os.path.join(self._directory, name))
    self._shard_rows.append(0)
    with _as_os_error(self._files[-1]):
      self._writer = array_record_module.ArrayRecordWriter(
        # One record a group: rows are read one by one, in random order.
        self._files[-1],
        "group_size:1",
      )

  def _close(self) -> None:
    if self._writer is not None:
      writer, self._writer = self._writer, None
      with _as_os_error(self._files[-1]):
        writer.close()


@contextlib.contextmanager
def _as_os_error(file: str) -> Iterator[None]:
  """A full disk is RuntimeError to ArrayRecord, and OSError to all others."""
  try:
    yield
  except RuntimeError as error:
    raise OSError(f"{file}: {error}") from error
