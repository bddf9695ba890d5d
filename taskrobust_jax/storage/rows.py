"""Files of rows: metrics.jsonl, timing.jsonl.

`metrics.jsonl` holds functions of config, seed and step alone, so that two runs
of one config can be compared byte by byte; whatever a clock says goes to
`timing.jsonl`.
"""

from collections.abc import Iterator
import contextlib
import hashlib
import io
import json
import math
import os
import pathlib
from typing import Any

from taskrobust_jax import files
from taskrobust_jax.errors import InputError


class Rows:
  """A file of JSON objects, one a line, each with its `step`."""

  def __init__(self, path: pathlib.Path):
    """Opens the file; rows are appended."""
    self._path = path
    # What the disk refused; the next write tries it again.
    self._unwritten = b""
    self._open()

  def _open(self) -> None:
    # Without a buffer, so that closing does not try to write.
    self._file = self._path.open("ab", buffering=0)
    # As large as it says: a device has no end.
    with self._path.open("rb") as file:
      content = file.read(os.fstat(file.fileno()).st_size)
    self._size, self._sha256 = len(content), hashlib.sha256(content)

  def fingerprint(self) -> dict[str, Any]:
    """Of all rows that were written: size and sha256 of the file."""
    return {"bytes": self._size, "sha256": self._sha256.hexdigest()}

  def cut_to(self, fingerprint: dict[str, Any]) -> bool:
    """Drops what was written after a fingerprint was taken.

    Returns:
      False, with the file as it was, if it does not begin with those rows.
    """
    if not begins_with(self._path, fingerprint):
      return False
    with self._path.open("rb") as file:
      kept = file.read(fingerprint["bytes"])
      has_more = bool(file.read(1))
    if has_more:
      self._replace(kept)
    return True

  def keep_what_is_whole(self, step: int) -> pathlib.Path:
    """Drops rows past a step and lines that are no rows.

    Returns:
      Where the file as it was lies now.
    """
    kept = []
    for line in io.BytesIO(self._path.read_bytes()):
      with contextlib.suppress(InputError):
        if line.endswith(b"\n") and self._step_of(line, 0) <= step:
          kept.append(line)
    copy = self._path.with_name(f"{self._path.name}.damaged")
    os.replace(self._path, copy)
    self._replace(b"".join(kept))
    return copy

  def cut_after(self, step: int) -> None:
    """Drops the rows past a step, and a last line that was cut short.

    Raises:
      InputError: If a line before them is not a row.
    """
    content = self._path.read_bytes()
    kept = 0
    for number, line in enumerate(io.BytesIO(content), 1):
      if not line.endswith(b"\n") or self._step_of(line, number) > step:
        break
      kept += len(line)
    if kept < len(content):
      self._replace(content[:kept])

  def _step_of(self, line: bytes, number: int) -> int:
    try:
      step = json.loads(line)["step"]
      if type(step) is not int:
        raise TypeError("step")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
      raise InputError(
        f"{self._path}: line {number} is not a row of a run: {line[:80]!r}"
      ) from error
    return step

  def _replace(self, content: bytes) -> None:
    """Replaces the file whole: a kill leaves the old one or the new one."""
    temporary = self._path.with_suffix(".tmp")
    with self._names_the_file():
      temporary.write_bytes(content)
      files.replace(os.fspath(temporary), os.fspath(self._path))
      self._file.close()
      self._open()

  def write(self, step: int, values: dict[str, float]) -> None:
    """Appends a row; a value that is not finite becomes null.

    Raises:
      OSError: If the disk refuses it. The next `write` or `sync` tries again.
    """
    row = {"step": step}
    for key, value in values.items():
      row[key] = value if math.isfinite(value) else None
    self._unwritten += json.dumps(row, allow_nan=False).encode() + b"\n"
    self._flush()

  def _flush(self) -> None:
    with self._names_the_file():
      while self._unwritten:
        size = self._file.write(self._unwritten)
        self._sha256.update(self._unwritten[:size])
        self._size += size
        self._unwritten = self._unwritten[size:]

  def sync(self) -> None:
    """Returns when all rows are on disk.

    Raises:
      OSError: If the disk refuses them.
    """
    self._flush()
    with self._names_the_file():
      os.fsync(self._file.fileno())

  def close(self) -> None:
    """Closes the file."""
    self._file.close()

  @contextlib.contextmanager
  def _names_the_file(self) -> Iterator[None]:
    """A full disk says so without saying where."""
    try:
      yield
    except OSError as error:
      raise OSError(error.errno, error.strerror, str(self._path)) from error


def begins_with(path: pathlib.Path, fingerprint: dict[str, Any]) -> bool:
  """Whether a file begins with the rows of a `Rows.fingerprint`.

  Raises:
    InputError: If it cannot be read.
  """
  size = fingerprint["bytes"]
  try:
    if path.stat().st_size < size:
      return False
    with path.open("rb") as file:
      found = hashlib.sha256(file.read(size)).hexdigest()
  except OSError as error:
    raise InputError(f"{path} cannot be read: {error}") from error
  return found == fingerprint["sha256"]


class NoRows:
  """In the place of `Rows` where another process writes them."""

  def __init__(self, path: pathlib.Path):
    """Opens nothing."""

  def fingerprint(self) -> dict[str, Any]:
    return {}

  def cut_to(self, fingerprint: dict[str, Any]) -> bool:
    return True

  def cut_after(self, step: int) -> None: ...

  def write(self, step: int, values: dict[str, float]) -> None: ...

  def sync(self) -> None: ...

  def close(self) -> None: ...
