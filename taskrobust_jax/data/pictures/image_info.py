"""`dataset.json` of a dataset of pictures: what it holds and was made from."""

from collections.abc import Mapping
import dataclasses
import hashlib
import json
import os
from typing import Any

from taskrobust_jax import errors, files
from taskrobust_jax.data import checked_json
from taskrobust_jax.data.pictures import crops
from taskrobust_jax.data.stored import INFO_FILE, SPLITS

# Not a number, so that the reader of a text's dataset.json names the mistake.
SCHEMA_VERSION = "pictures-1"


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
  info = checked_json.read(file, ImageInfo, SCHEMA_VERSION, "pictures")
  if info is not None:
    _check(file, info)
  return info


def is_pictures(directory: str) -> bool:
  """Whether a folder holds a dataset.json that says it is of pictures."""
  try:
    data = files.read_object(
      os.path.join(directory, INFO_FILE), checked_json.LARGEST_FILE
    )
  except (OSError, ValueError):
    return False
  version = data.get("schema_version")
  return isinstance(version, str) and version.startswith("pictures")


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
      seen = checked_json.shown(getattr(info, name))
      raise errors.InputError(
        f"{file}: {name} is {seen}, which no dataset of "
        f"pictures with the splits {', '.join(SPLITS)} has"
      )
