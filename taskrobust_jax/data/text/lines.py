"""Lines of text files, which may be compressed."""

from collections.abc import Iterator
import gzip
import lzma
import os
import zlib

from taskrobust_jax import errors


def read_lines(file: str) -> Iterator[str]:
  """Yields a file's lines without their ends; .gz and .xz are unpacked.

  Raises:
    InputError: it cannot be read, or is not UTF-8 (file and byte offset).
  """
  opener = {".gz": gzip.open, ".xz": lzma.open}.get(
    os.path.splitext(file)[1].lower(), open
  )
  offset = 0
  try:
    with opener(file, "rb") as stream:
      for line in stream:
        try:
          text = line.decode("utf-8")
        except UnicodeDecodeError as error:
          raise errors.InputError(
            f"{file}: byte {offset + error.start} (of the unpacked text) is "
            f"{line[error.start]:#04x}, which is not UTF-8 ({error.reason})"
          ) from error
        # Only the first line of a file can carry a byte order mark.
        yield (text if offset else text.removeprefix("\ufeff")).rstrip("\r\n")
        offset += len(line)
  except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
    raise errors.InputError(f"{file}: cannot be read: {error}") from error
