"""`dataset.json`: what a prepared dataset holds and was made from."""

import dataclasses
import os
from typing import Any

from taskrobust_jax import errors, files
from taskrobust_jax.data import checked_json
from taskrobust_jax.data.stored import INFO_FILE, SPLITS
from taskrobust_jax.data.text import packing, vocabulary

# 2: the digest is one over the digests of shards; `shard_*`; inputs by hash.
SCHEMA_VERSION = 2


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
  """What `dataset.json` says.

  Attributes:
    schema_version: of this file and of the rows, `SCHEMA_VERSION`.
    source: where the text came from, see `sources.SOURCES`.
    tagger: who tagged it, see `taggers.TAGGERS`.
    row_length: L, tokens in a row.
    vocabulary_size: V, ids the tokenizer gives: 0 to V - 1.
    tag_names: the name of every tag id, the tagger's.
    special_token_ids: of `vocabulary.SPECIAL_TOKENS`, in 0 to V - 1.
    rows: rows by split.
    tokens: tokens by split, [CLS] and [SEP] too, padding not.
    tag_counts: words by split and tag, as the rows have them.
    padding_share: the share of padding by split, 0 to 1.
    tokenizer_sha256: of the bytes of tokenizer.json.
    shard_rows: rows of every shard, by split.
    shard_digests: sha256 over the rows of every shard, by split: so the first
      damaged one can be named.
    digest: sha256 over the shards' digests, the features' names and the
      tokenizer: equal on all machines for equal input, whatever the number of
      processes that made the rows.
    arguments: what `preparation.prepare` was called with.
    inputs: sha256 of every file that was read. Sizes miss an edit that keeps
      the length, times change when a file is copied.
    versions: of Python and the packages that had a say.
  """

  schema_version: int
  source: str
  tagger: str
  row_length: int
  vocabulary_size: int
  tag_names: tuple[str, ...]
  special_token_ids: dict[str, int]
  rows: dict[str, int]
  tokens: dict[str, int]
  tag_counts: dict[str, dict[str, int]]
  padding_share: dict[str, float]
  tokenizer_sha256: str
  shard_rows: dict[str, tuple[int, ...]]
  shard_digests: dict[str, tuple[str, ...]]
  digest: str
  arguments: dict[str, Any]
  inputs: dict[str, str]
  versions: dict[str, str]


def write(directory: str, info: DatasetInfo) -> str:
  """Writes dataset.json so that it is there whole or not; returns its path."""
  file = os.path.join(directory, INFO_FILE)
  files.write_object(file, dataclasses.asdict(info))
  return file


def read(directory: str) -> DatasetInfo | None:
  """Reads dataset.json, which may be anything at all.

  Returns:
    The info, or None where there is no such file.

  Raises:
    InputError: the file cannot be read, or is not what `write` writes.
  """
  file = os.path.join(directory, INFO_FILE)
  info = checked_json.read(file, DatasetInfo, SCHEMA_VERSION, "text")
  if info is not None:
    _check(file, info)
  return info


def _check(file: str, info: DatasetInfo) -> None:
  """Raises InputError where values of the right types make no sense."""
  ids = info.special_token_ids
  rules = [
    ("row_length", packing.is_row_length(info.row_length)),
    ("vocabulary_size", info.vocabulary_size > len(vocabulary.SPECIAL_TOKENS)),
    ("tag_names", 1 < len(info.tag_names) == len(set(info.tag_names))),
    (
      "special_token_ids",
      set(ids) == set(vocabulary.SPECIAL_TOKENS)
      and len(set(ids.values())) == len(ids)
      and max(ids.values()) < info.vocabulary_size,
    ),
    ("rows", set(info.rows) == set(SPLITS) and all(info.rows.values())),
    (
      "shard_rows",
      {name: sum(rows) for name, rows in info.shard_rows.items()} == info.rows,
    ),
    (
      "shard_digests",
      {name: len(found) for name, found in info.shard_digests.items()}
      == {name: len(rows) for name, rows in info.shard_rows.items()},
    ),
    ("tokens", set(info.tokens) == set(SPLITS)),
    ("padding_share", set(info.padding_share) == set(SPLITS)),
    (
      "tag_counts",
      set(info.tag_counts) == set(SPLITS)
      and all(set(c) <= set(info.tag_names) for c in info.tag_counts.values()),
    ),
  ]
  for name, holds in rules:
    if not holds:
      seen = checked_json.shown(getattr(info, name))
      raise errors.InputError(
        f"{file}: {name} is {seen}, which no dataset "
        f"with the splits {', '.join(SPLITS)} has"
      )
