"""JSON files that may hold anything at all, and files that are there whole."""

from collections.abc import Mapping
import contextlib
import json
import os
from typing import Any


def read_object(file: str | os.PathLike[str], largest: int) -> dict[str, Any]:
  """Reads a file that holds one JSON object.

  Args:
    file: Its path.
    largest: The most bytes that are read. A damaged file system may tell any
      size, so the read itself is bounded.

  Raises:
    OSError: It cannot be read.
    ValueError: It is larger, or no JSON object.
  """
  with open(file, "rb") as stream:
    text = stream.read(largest + 1)
  if len(text) > largest:
    raise ValueError(f"it is larger than {largest} bytes")
  try:
    value = json.loads(text)
  except RecursionError as error:
    raise ValueError("it has too many brackets") from error
  if not isinstance(value, dict):
    raise ValueError("it is no JSON object")
  return value


def write_object(
  file: str | os.PathLike[str], values: Mapping[str, Any]
) -> None:
  """Writes JSON so that it is there whole or not at all.

  Raises:
    OSError: It cannot be written.
  """
  write_whole(file, json.dumps(values, indent=2) + "\n")


def write_whole(file: str | os.PathLike[str], text: str) -> None:
  """Writes a file of text so that it is there whole or not at all.

  Raises:
    OSError: It cannot be written.
  """
  temporary = f"{os.fspath(file)}.tmp"
  with open(temporary, "w", encoding="utf-8") as stream:
    stream.write(text)
  replace(temporary, os.fspath(file))


def replace(temporary: str, file: str) -> None:
  """Renames a file once all of it is on disk, and its name with it.

  Else a crash of the machine may leave the new name with nothing in it.
  """
  with open(temporary, "rb") as stream:
    os.fsync(stream.fileno())
  os.replace(temporary, file)
  folder = os.open(os.path.dirname(file) or ".", os.O_RDONLY)
  try:
    # Not every file system has it (a mounted bucket).
    with contextlib.suppress(OSError):
      os.fsync(folder)
  finally:
    os.close(folder)
