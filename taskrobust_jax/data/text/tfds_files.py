"""The files that TFDS reads, checked before it does.

TFDS imports the classes that features.json names, and opens the paths that
dataset_info.json makes: in a stranger's dataset both must be no others than
those that `prepare` writes.
"""

import os
from typing import Any

from taskrobust_jax import errors, files
from taskrobust_jax.data.text import packing

FEATURES_FILE = "features.json"
SPLITS_FILE = "dataset_info.json"
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
_LARGEST = 2**24


def check(directory: str, row_length: int, rows: dict[str, int]) -> None:
  """Returns if TFDS will read our features from files of this folder.

  Args:
    directory: of the dataset.
    row_length: L, tokens in a row.
    rows: rows by split.

  Raises:
    InputError: a file is not what `prepare` writes.
  """
  features = _read(directory, FEATURES_FILE)
  expected = _features(row_length)
  if features != expected:
    raise errors.InputError(
      f"{os.path.join(directory, FEATURES_FILE)}: its features are not "
      f"{', '.join(packing.FEATURES)} of {row_length} numbers as `prepare` "
      "writes them"
    )
  place = os.path.join(directory, SPLITS_FILE)
  info = _read(directory, SPLITS_FILE)
  splits = info.get("splits")
  if (info.get("fileFormat"), info.get("name")) != ("array_record", "rows"):
    raise errors.InputError(f"{place}: is not of array_record files named rows")
  if not isinstance(splits, list) or len(splits) != len(rows):
    raise errors.InputError(f"{place}: has other splits than {', '.join(rows)}")
  for split in splits:
    split = split if isinstance(split, dict) else {}
    template = split.get("filepathTemplate")
    if template != _TEMPLATE:
      raise errors.InputError(
        f"{place}: filepathTemplate is {str(template)[:80]!r}; it must be "
        f"{_TEMPLATE!r}"
      )
    name, lengths = split.get("name"), split.get("shardLengths")
    if (
      not isinstance(name, str)
      or name not in rows
      or not _adds_up(lengths, rows[name])
    ):
      raise errors.InputError(
        f"{place}: the shards of {str(name)[:80]!r} do not have the rows that "
        "dataset.json says"
      )


def _adds_up(lengths: Any, total: int) -> bool:
  """Whether shard lengths (text, as protobuf writes them) have this sum."""
  if not isinstance(lengths, list) or not 0 < len(lengths) <= total:
    return False
  is_number = [
    isinstance(x, str) and x.isascii() and x.isdigit() for x in lengths
  ]
  return (
    all(is_number)
    and max(map(len, lengths)) < 20
    and sum(map(int, lengths)) == total
  )


def _read(directory: str, name: str) -> dict[str, Any]:
  file = os.path.join(directory, name)
  try:
    return files.read_object(file, _LARGEST)
  except (OSError, ValueError) as error:
    raise errors.InputError(f"{file}: cannot be read: {error}") from error


def _features(row_length: int) -> dict[str, Any]:
  """What TFDS writes for the features of `shards`."""
  package = "tensorflow_datasets.core.features"
  tensor = {
    "pythonClassName": f"{package}.tensor_feature.Tensor",
    "tensor": {
      "dtype": "int32",
      "encoding": "bytes",
      "shape": {"dimensions": [str(row_length)]},
    },
  }
  return {
    "featuresDict": {"features": dict.fromkeys(packing.FEATURES, tensor)},
    "pythonClassName": f"{package}.features_dict.FeaturesDict",
  }
