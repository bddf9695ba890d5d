"""Dataclasses from JSON files that may hold anything at all."""

import math
import typing
from typing import Any, TypeVar

from taskrobust_jax import errors, files

LARGEST_FILE = 2**28  # It names every file that was read.
T = TypeVar("T")


def read(file: str, kind: type[T], version: int | str, what: str) -> T | None:
  """Reads a dataclass whose field `schema_version` says what it is.

  Args:
    file: its path.
    kind: a dataclass of int, float, str, tuples, dicts and Any.
    version: the schema_version it must have.
    what: what such files are of, for the message.

  Returns:
    The dataclass, or None where there is no such file.

  Raises:
    InputError: the file cannot be read, is no JSON object, has another version
      or lacks a field, or one is not of its type.
  """
  try:
    data = files.read_object(file, LARGEST_FILE)
  except (FileNotFoundError, NotADirectoryError):
    return None
  except OSError as error:
    raise errors.InputError(f"{file}: cannot be read: {error}") from error
  except ValueError as error:
    raise errors.InputError(f"{file}: cannot be read: {error}") from error
  seen = data.get("schema_version")
  if seen != version or isinstance(seen, bool):
    raise errors.InputError(
      f"{file}: schema_version is {shown(seen)}; a dataset of {what} has "
      f"{version!r}: prepare the data again"
    )
  values = {}
  for name, annotation in typing.get_type_hints(kind).items():
    if name not in data:
      raise errors.InputError(f"{file}: has no {name}")
    values[name] = _typed(f"{file}: {name}", data[name], annotation)
  return kind(**values)


def shown(value: Any) -> str:
  """A value for a message, cut short."""
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
      key: _typed(f"{place}[{shown(key)}]", item, arguments[1])
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
    f"{place} is {shown(value)}; it must be {names[origin]}"
  )
