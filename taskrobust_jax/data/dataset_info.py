"""`dataset.json`: what a prepared dataset holds and was made from."""

import dataclasses
import json
import math
import os
import typing
from typing import Any

from taskrobust_jax import errors
from taskrobust_jax.data import packing, vocabulary

# 2: the digest is one over the digests of shards; `shard_*`; inputs by hash.
SCHEMA_VERSION = 2
SPLITS = ("train", "eval")
INFO_FILE = "dataset.json"
# It names every file that was read.
_LARGEST_FILE = 2**28


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
  """What `dataset.json` says.

  Attributes:
    schema_version: of this file and of the rows, `SCHEMA_VERSION`.
    source: where the text came from, see `text.SOURCES`.
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
  with open(file + ".tmp", "w", encoding="utf-8") as stream:
    json.dump(dataclasses.asdict(info), stream, indent=2)
    stream.write("\n")
    stream.flush()
    os.fsync(stream.fileno())
  os.replace(file + ".tmp", file)
  return file


def read(directory: str) -> DatasetInfo | None:
  """Reads dataset.json, which may be anything at all.

  Returns:
    The info, or None where there is no such file.

  Raises:
    InputError: the file cannot be read, or is not what `write` writes.
  """
  file = os.path.join(directory, INFO_FILE)
  try:
    with open(file, "rb") as stream:
      text = stream.read(_LARGEST_FILE + 1)
    if len(text) > _LARGEST_FILE:
      raise ValueError(f"it is larger than {_LARGEST_FILE} bytes")
    data = json.loads(text)
  except (FileNotFoundError, NotADirectoryError):
    return None
  except OSError as error:
    raise errors.InputError(f"{file}: cannot be read: {error}") from error
  except (ValueError, RecursionError) as error:
    raise errors.InputError(f"{file}: is not JSON: {error}") from error
  if not isinstance(data, dict):
    raise errors.InputError(f"{file}: is no JSON object")
  version = data.get("schema_version")
  if version != SCHEMA_VERSION or isinstance(version, bool):
    raise errors.InputError(
      f"{file}: schema_version is {_shown(version)}; this program reads "
      f"{SCHEMA_VERSION}: prepare the data again"
    )
  values = {}
  for name, kind in typing.get_type_hints(DatasetInfo).items():
    if name not in data:
      raise errors.InputError(f"{file}: has no {name}")
    values[name] = _typed(f"{file}: {name}", data[name], kind)
  info = DatasetInfo(**values)
  _check(file, info)
  return info


def _shown(value: Any) -> str:
  text = repr(value)
  return text if len(text) <= 80 else text[:77] + "..."


def _typed(place: str, value: Any, kind: Any) -> Any:
  """The value if it is of the annotated type; a JSON list for a tuple."""
  origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
  if kind is Any:
    return value
  if origin is tuple and isinstance(value, list):
    return tuple(_typed(f"{place}[]", item, arguments[0]) for item in value)
  if origin is dict and isinstance(value, dict):
    return {
      key: _typed(f"{place}[{_shown(key)}]", item, arguments[1])
      for key, item in value.items()
    }
  if isinstance(value, kind if kind in (int, str) else ()):
    if kind is str or (not isinstance(value, bool) and 0 <= value < 2**63):
      return value
  is_number = isinstance(value, int | float) and not isinstance(value, bool)
  if kind is float and is_number and math.isfinite(value):
    return float(value)
  names = {int: "a whole number from 0", float: "a finite number", str: "text"}
  names |= {tuple: "a list", dict: "an object"}
  raise errors.InputError(
    f"{place} is {_shown(value)}; it must be " + (names[origin])
  )


def _check(file: str, info: DatasetInfo) -> None:
  """Raises InputError where values of the right types make no sense."""
  packing.check_row_length(info.row_length)
  ids = info.special_token_ids
  rules = [
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
      raise errors.InputError(
        f"{file}: {name} is {_shown(getattr(info, name))}, which no dataset "
        f"with the splits {', '.join(SPLITS)} has"
      )
