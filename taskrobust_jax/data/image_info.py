"""`dataset.json` of a dataset of pictures: what it holds and was made from."""

from collections.abc import Mapping
import dataclasses
import hashlib
import json
import os
import typing
from typing import Any

from taskrobust_jax import errors
from taskrobust_jax.data import crops

# Not a number, so that the reader of a text's dataset.json names the mistake.
SCHEMA_VERSION = "pictures-1"
SPLITS = ("train", "eval")
INFO_FILE = "dataset.json"


@dataclasses.dataclass(frozen=True)
class ImageInfo:
  """What `dataset.json` says.

  Attributes:
    schema_version: of this file and of the rows, `SCHEMA_VERSION`.
    sources: what the pictures were made from, in words.
    height: of all pictures, in pixels.
    width: of all pictures, in pixels.
    modalities: of `crops.PICTURES`, those that a row may have.
    class_names: of the labels of pixels; empty without semseg.
    label_names: of the pictures' labels; empty without them.
    rows: rows by split.
    with_modality: by split and modality, rows that have it.
    bytes: of the records, by split.
    skipped: by split, examples that were bad and left out.
    shard_rows: rows of every shard, by split.
    shard_digests: `image_rows.Digest` of every shard, by split.
    digest: sha256 over all the above that says what a row means or is.
    arguments: what the dataset was made with.
    versions: of Python and the packages that had a say.
  """

  schema_version: str
  sources: tuple[str, ...]
  height: int
  width: int
  modalities: tuple[str, ...]
  class_names: tuple[str, ...]
  label_names: tuple[str, ...]
  rows: dict[str, int]
  with_modality: dict[str, dict[str, int]]
  bytes: dict[str, int]
  skipped: dict[str, int]
  shard_rows: dict[str, tuple[int, ...]]
  shard_digests: dict[str, tuple[str, ...]]
  digest: str
  arguments: dict[str, Any]
  versions: dict[str, str]


def digest_of(
  *,
  height: int,
  width: int,
  modalities: tuple[str, ...],
  class_names: tuple[str, ...],
  label_names: tuple[str, ...],
  shard_digests: Mapping[str, tuple[str, ...]],
) -> str:
  """The digest of a dataset: equal wherever it is made of equal pictures."""
  parts = [
    SCHEMA_VERSION,
    [height, width],
    *(list(names) for names in (modalities, class_names, label_names)),
    *([name, list(shard_digests[name])] for name in SPLITS),
  ]
  return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def expected_digest(info: ImageInfo) -> str:
  """`digest_of` what the info says."""
  return digest_of(
    height=info.height,
    width=info.width,
    modalities=info.modalities,
    class_names=info.class_names,
    label_names=info.label_names,
    shard_digests=info.shard_digests,
  )


def to_json(info: ImageInfo) -> str:
  """The text of dataset.json."""
  return json.dumps(dataclasses.asdict(info), indent=2) + "\n"


def read(directory: str) -> ImageInfo | None:
  """Reads dataset.json, which may be anything at all.

  Returns:
    The info, or None where there is no such file.

  Raises:
    InputError: the file cannot be read, or is not what `to_json` gives.
  """
  file = os.path.join(directory, INFO_FILE)
  try:
    with open(file, encoding="utf-8") as stream:
      data = json.load(stream)
  except (FileNotFoundError, NotADirectoryError):
    return None
  except OSError as error:
    raise errors.InputError(f"{file}: cannot be read: {error}") from error
  except (ValueError, RecursionError) as error:
    raise errors.InputError(f"{file}: is not JSON: {error}") from error
  if not isinstance(data, dict):
    raise errors.InputError(f"{file}: is no JSON object")
  version = data.get("schema_version")
  if version != SCHEMA_VERSION:
    raise errors.InputError(
      f"{file}: schema_version is {_shown(version)}; a dataset of pictures has "
      f"{SCHEMA_VERSION!r}: prepare the data again"
    )
  values = {}
  for name, kind in typing.get_type_hints(ImageInfo).items():
    if name not in data:
      raise errors.InputError(f"{file}: has no {name}")
    values[name] = _typed(f"{file}: {name}", data[name], kind)
  info = ImageInfo(**values)
  _check(file, info)
  return info


def is_pictures(directory: str) -> bool:
  """Whether a folder holds a dataset.json that says it is of pictures."""
  try:
    with open(os.path.join(directory, INFO_FILE), encoding="utf-8") as stream:
      data = json.load(stream)
  except (OSError, ValueError, RecursionError):
    return False
  version = data.get("schema_version") if isinstance(data, dict) else None
  return isinstance(version, str) and version.startswith("pictures")


def _typed(place, value, kind):
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
  if kind is str and isinstance(value, str):
    return value
  is_whole = isinstance(value, int) and not isinstance(value, bool)
  if kind is int and is_whole and 0 <= value < 2**63:
    return value
  names = {int: "a whole number from 0", str: "text"}
  names |= {tuple: "a list", dict: "an object"}
  raise errors.InputError(
    f"{place} is {_shown(value)}; it must be {names[origin]}"
  )


def _check(file, info):
  """Raises InputError where values of the right types make no sense."""
  known = set(info.modalities)
  counts = {name: sum(rows) for name, rows in info.shard_rows.items()}
  lengths = lambda by_split: {k: len(v) for k, v in by_split.items()}
  # In an order in which each may rely on those before.
  rules = {
    "height": lambda: 0 < info.height <= 2**15,
    "width": lambda: 0 < info.width <= 2**15,
    "modalities": lambda: (
      0 < len(known) == len(info.modalities) and known <= set(crops.PICTURES)
    ),
    "class_names": lambda: bool(info.class_names) == ("semseg" in known),
    "rows": lambda: set(info.rows) == set(SPLITS) and all(info.rows.values()),
    "shard_rows": lambda: counts == info.rows,
    "shard_digests": lambda: (
      lengths(info.shard_digests) == lengths(info.shard_rows)
    ),
    "with_modality": lambda: (
      set(info.with_modality) == set(SPLITS)
      and all(
        set(found) == known and max(found.values()) <= info.rows[name]
        for name, found in info.with_modality.items()
      )
    ),
    "digest": lambda: info.digest == expected_digest(info),
  }
  for name, holds in rules.items():
    if not holds():
      raise errors.InputError(
        f"{file}: {name} is {_shown(getattr(info, name))}, which no dataset of "
        f"pictures with the splits {', '.join(SPLITS)} has"
      )


def _shown(value):
  text = repr(value)
  return text if len(text) <= 80 else text[:77] + "..."
