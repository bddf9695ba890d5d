"""Writes a dataset shard by shard; `records.py` says what it looks like.

A shard is there whole or not at all: it gets a temporary name, is read back,
synced and renamed. Beside the shards, in a folder of its own, stands a small
JSON for each with what was counted; `finish` puts these together.
"""

from collections.abc import Iterable, Iterator, Mapping
import contextlib
import dataclasses
import json
import os
from typing import Any

import numpy as np

from taskrobust_jax import errors, files
from taskrobust_jax.data import stored
from taskrobust_jax.data.text import dataset_info, packing, records

_NAME = "rows"  # The dataset's name in TFDS and its shards' first word.


@dataclasses.dataclass(frozen=True)
class Counts:
  """What one shard holds.

  Attributes:
    rows: rows.
    tokens: tokens that are no padding.
    bytes: of the records.
    tag_counts: words by tag id.
    digest: sha256 over the rows.
    documents: documents that the rows were made of.
    words: words that the tagger found in them.
    confusion: sum of `part_of_speech.confusion`, where there are gold tags.
  """

  rows: int
  tokens: int
  bytes: int
  tag_counts: list[int]
  digest: str
  documents: int = 0
  words: int = 0
  confusion: list[list[int]] | None = None


def write_shard(
  file: str,
  rows: Iterable[Mapping[str, np.ndarray]],
  num_tags: int,
) -> Counts:
  """Writes a shard so that it is there whole or not.

  Args:
    file: its path; a shard of that name is replaced.
    rows: from `packing.pack`.
    num_tags: tag ids are below it.

  Returns:
    What was counted.

  Raises:
    OSError: the disk is full, or the file cannot be written.
  """
  from array_record.python import array_record_module

  tags = np.zeros(num_tags, np.int64)
  digest = records.RowsDigest()
  count = tokens = size = 0
  # Its own: a process that lost its program may still be writing another.
  temporary = f"{file}.incomplete-{os.getpid()}"
  try:
    with _as_os_error(temporary):
      # One record a group: rows are read one by one, in random order.
      writer = array_record_module.ArrayRecordWriter(temporary, "group_size:1")
      with contextlib.closing(writer):
        for row in rows:
          record = _record(row)
          writer.write(record)
          digest.add(row)
          count, size = count + 1, size + len(record)
          tokens += int(np.count_nonzero(row["segment_ids"]))
          found = row["tags"][row["word_starts"] > 0]
          tags += np.bincount(found, minlength=num_tags)
      # A disk that filled up may show only here.
      reader = array_record_module.ArrayRecordReader(temporary)
      with contextlib.closing(reader):
        seen = reader.num_records()
    if seen != count:
      raise OSError(f"{file}: {count} rows were written, {seen} are there")
    files.replace(temporary, file)
  except BaseException:
    with contextlib.suppress(OSError):
      os.remove(temporary)
    raise
  return Counts(count, tokens, size, tags.tolist(), digest.hexdigest())


def write_counts(file: str, counts: Counts) -> None:
  """Writes what was counted, after the shard itself."""
  write_json(file, dataclasses.asdict(counts))


def read_counts(file: str) -> Counts | None:
  """Reads what was counted; None if the file is not there."""
  values = read_json(file)
  return None if values is None else Counts(**values)


def write_json(file: str, values: Any) -> None:
  """Writes JSON so that it is there whole or not."""
  stored.write_text(file, json.dumps(values))


def read_json(file: str) -> Any:
  """Reads what `write_json` wrote; None if the file is not there."""
  try:
    with open(file, encoding="utf-8") as stream:
      return json.load(stream)
  except FileNotFoundError:
    return None
  except ValueError as error:
    raise errors.InputError(
      f"{file}: is not JSON ({error}); delete its folder"
    ) from error


def finish(
  directory: str,
  counts: Mapping[str, list[Counts]],
  *,
  row_length: int,
  tag_names: tuple[str, ...],
  tokenizer_sha256: str,
  **others: Any,
) -> dataset_info.DatasetInfo:
  """Writes TFDS's metadata and, last, dataset.json.

  Args:
    directory: it holds the shards, by `file_name`.
    counts: of every shard, by split.
    row_length: L.
    tag_names: the name of every tag id.
    tokenizer_sha256: of the bytes of tokenizer.json.
    **others: the fields of `DatasetInfo` that are not counted.

  Raises:
    InputError: a split without a row.
  """
  import tensorflow_datasets as tfds

  for name in stored.SPLITS:
    if not sum(shard.rows for shard in counts[name]):
      raise errors.InputError(f"the split {name} has 0 rows; at least 1")
  infos = [
    tfds.core.SplitInfo(
      name=name,
      shard_lengths=[shard.rows for shard in counts[name]],
      num_bytes=sum(shard.bytes for shard in counts[name]),
      filename_template=tfds.core.ShardedFileTemplate(
        data_dir=directory,
        dataset_name=_NAME,
        split=name,
        filetype_suffix="array_record",
      ),
    )
    for name in stored.SPLITS
  ]
  tfds.folder_dataset.write_metadata(
    data_dir=directory,
    features=_features(row_length),
    split_infos=infos,
    # The check reads with TensorFlow.
    check_data=False,
  )
  rows = {k: sum(shard.rows for shard in v) for k, v in counts.items()}
  tokens = {k: sum(shard.tokens for shard in v) for k, v in counts.items()}
  digests = {k: tuple(s.digest for s in v) for k, v in counts.items()}
  info = dataset_info.DatasetInfo(
    schema_version=dataset_info.SCHEMA_VERSION,
    row_length=row_length,
    tag_names=tag_names,
    rows=rows,
    tokens=tokens,
    tag_counts={
      name: _tag_counts(tag_names, found) for name, found in counts.items()
    },
    padding_share={
      name: 1 - tokens[name] / (rows[name] * row_length) for name in counts
    },
    tokenizer_sha256=tokenizer_sha256,
    shard_rows={k: tuple(s.rows for s in v) for k, v in counts.items()},
    shard_digests=digests,
    digest=records.dataset_digest(tokenizer_sha256, digests),
    **others,
  )
  dataset_info.write(directory, info)
  return info


def _tag_counts(tag_names, counts) -> dict[str, int]:
  """Words by tag; tag 0 only where a text had words without a tag."""
  total = np.sum([shard.tag_counts for shard in counts], axis=0).tolist()
  named = list(zip(tag_names, total, strict=True))
  return {name: n for i, (name, n) in enumerate(named) if n or i}


def _record(row: Mapping[str, np.ndarray]) -> bytes:
  """A row as TFDS has it, but always of the same bytes.

  `FeaturesDict.serialize_example` writes the features in an order that differs
  from process to process; it takes five times as long, too.
  """
  from tensorflow_datasets.proto import tf_example_generated_pb2

  example = tf_example_generated_pb2.Example()
  for name in packing.FEATURES:
    data = row[name].astype("<i4", copy=False).tobytes()
    example.features.feature[name].bytes_list.value.append(data)
  return example.SerializeToString(deterministic=True)


def _features(row_length: int):
  import tensorflow_datasets as tfds

  tensor = tfds.features.Tensor(
    shape=(row_length,),
    dtype=np.int32,
    # Bytes are parsed three times as fast as lists of integers.
    encoding=tfds.features.Encoding.BYTES,
  )
  return tfds.features.FeaturesDict(dict.fromkeys(packing.FEATURES, tensor))


@contextlib.contextmanager
def _as_os_error(file: str) -> Iterator[None]:
  """A full disk is RuntimeError to ArrayRecord, and OSError to all others."""
  try:
    yield
  except RuntimeError as error:
    raise OSError(f"{file}: {error}") from error
