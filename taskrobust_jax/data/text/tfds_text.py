"""Documents of any TensorFlow Datasets dataset that has a text feature.

Files of array_record are read without TensorFlow, all others (most datasets are
tfrecord) with it. Nothing is ever downloaded here: without the data an error
names the folder and the command.
"""

from collections.abc import Iterator, Sequence
import importlib.util
import os
import re
from typing import Any

from taskrobust_jax import errors
from taskrobust_jax.data import prepared

# What wiki40b has between the parts of an article, and what would be a line
# break inside a document.
_BREAKS = re.compile("_NEWLINE_|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_MARKER = re.compile(r"_START_[A-Z]+_")


def documents(name: str, split: str, feature: str) -> Iterator[tuple[str, str]]:
  """Yields (text, where it is from) of the examples of a split, in order.

  Args:
    name: a dataset, such as "wikipedia/20230601.en" or "wiki40b/en:1.3.0".
    split: a split, such as "train" or "validation[:10%]".
    feature: the feature that holds the text.

  Raises:
    InputError: no such dataset, split or feature, no data, or no TensorFlow
      where it is needed.
  """
  builder = prepared.builder(name)
  _check(builder, name, split, feature)
  for number, example in enumerate(_examples(builder, split)):
    place = f"tfds:{name}/{split}:{number}"
    value = example[feature]
    try:
      characters = value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as error:
      raise errors.InputError(
        f"{place}: byte {error.start} of {feature!r} is "
        f"{value[error.start]:#04x}, which is not UTF-8 ({error.reason})"
      ) from error
    lines = (" ".join(line.split()) for line in _BREAKS.split(characters))
    kept = (line for line in lines if line and not _MARKER.fullmatch(line))
    yield "\n".join(kept), place


def examples(
  name: str, split: str, features: Sequence[str]
) -> Iterator[dict[str, Any]]:
  """Yields the examples of a split, in order, as TFDS decodes them.

  Args:
    name: a dataset.
    split: a split.
    features: those that must be texts.

  Raises:
    InputError: as `documents`.
  """
  builder = prepared.builder(name)
  for feature in features:
    _check(builder, name, split, feature)
  yield from _examples(builder, split)


def find_files(name: str, split: str, feature: str) -> list[str]:
  """The files that `documents` reads; checks all that can be checked."""
  builder = prepared.builder(name)
  _check(builder, name, split, feature)
  try:
    paths = builder.info.splits[split].filepaths
  except Exception as error:  # TFDS raises many types for a bad split.
    raise errors.InputError(
      f"path: {split!r} is no split of tfds:{name}; it has "
      f"{', '.join(builder.info.splits)} and parts such as 'train[:10%]'"
    ) from error
  return sorted(str(path) for path in paths if os.path.isfile(path))


def _check(builder: Any, name: str, split: str, feature: str) -> None:
  """Raises InputError where data, feature or TensorFlow is missing."""
  features = builder.info.features
  kinds = {key: _kind(value) for key, value in (features or {}).items()}
  if kinds.get(feature) != "text":
    shown = ", ".join(f"{key} ({kind})" for key, kind in sorted(kinds.items()))
    raise errors.InputError(
      f"text_feature: {feature!r} is no text of tfds:{name}; it has {shown}"
    )
  if not split:
    raise errors.InputError(
      f"path: '' is no split of tfds:{name}; it has "
      f"{', '.join(builder.info.splits)}"
    )
  if not _has_random_access(builder) and not _has_tensorflow():
    raise errors.InputError(
      f"source: {builder.data_dir} holds {prepared.file_format(builder)} "
      "files, which only TensorFlow reads: `pip install "
      "'taskrobust_jax[data]'`; or prepare the "
      f"dataset anew with `tfds build {name} --file_format=array_record`"
    )


def _kind(feature: Any) -> str:
  name = type(feature).__name__
  is_text = name == "Text" or (
    getattr(feature, "shape", None) == ()
    and str(getattr(feature, "np_dtype", "")) in ("object", "<class 'object'>")
  )
  return "text" if is_text else name


def _has_random_access(builder: Any) -> bool:
  return prepared.file_format(builder) == "array_record"


def _has_tensorflow() -> bool:
  return importlib.util.find_spec("tensorflow") is not None


def _examples(builder: Any, split: str) -> Iterator[dict[str, Any]]:
  import tensorflow_datasets as tfds

  if _has_random_access(builder):
    source = builder.as_data_source(split)
    for start in range(0, len(source), 256):
      yield from source.__getitems__(
        range(start, min(start + 256, len(source)))
      )
    return
  read_config = tfds.ReadConfig(
    # In order: the corpus, and so its digest, depends on it.
    interleave_cycle_length=1,
    try_autocache=False,
  )
  yield from tfds.as_numpy(
    builder.as_dataset(
      split=split, shuffle_files=False, read_config=read_config
    )
  )
