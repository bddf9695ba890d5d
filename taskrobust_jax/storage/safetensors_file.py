"""Files of the safetensors format: named arrays, and nothing that could run.

A file is the length of its header (8 bytes, little-endian), the header (a JSON
object, padded with spaces) and the arrays' bytes, one after the other. The
header says dtype, shape and place of every array. The format is small enough
to be read here, where every length is checked before it is believed.

https://github.com/huggingface/safetensors#format
"""

from collections.abc import Mapping
import json
import math
import os
import pathlib
from typing import Any

import ml_dtypes
import numpy as np

from taskrobust_jax import files
from taskrobust_jax.errors import InputError

DTYPES = {
  "F64": np.dtype("<f8"),
  "F32": np.dtype("<f4"),
  "F16": np.dtype("<f2"),
  "BF16": np.dtype(ml_dtypes.bfloat16),
  "I64": np.dtype("<i8"),
  "I32": np.dtype("<i4"),
  "I16": np.dtype("<i2"),
  "I8": np.dtype("i1"),
  "U8": np.dtype("u1"),
  "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_METADATA = "__metadata__"
_LARGEST_HEADER = 100_000_000  # As the format says.


def read(file: str | pathlib.Path) -> dict[str, np.ndarray]:
  """All arrays of a file, by name.

  Raises:
    InputError: If it cannot be read, or is not of this format.
  """
  try:
    with open(file, "rb") as stream:
      size = os.fstat(stream.fileno()).st_size
      header, first = _read_header(stream, size)
      arrays = {}
      for name, entry in sorted(header.items(), key=lambda x: x[1]["start"]):
        # One array after the other: none lies over another.
        if entry["start"] != first:
          raise ValueError(f"{name!r} does not begin where the last one ends")
        first = entry["end"]
        arrays[name] = np.frombuffer(
          stream.read(entry["end"] - entry["start"]), entry["dtype"]
        ).reshape(entry["shape"])
      if first != size:
        raise ValueError(f"it has {size} bytes, its header says {first}")
  except OSError as error:
    raise InputError(f"{file}: cannot be read: {error}") from error
  except (ValueError, KeyError, TypeError, RecursionError) as error:
    raise InputError(f"{file}: is no safetensors file: {error}") from error
  return arrays


def write(
  file: str | pathlib.Path,
  arrays: Mapping[str, np.ndarray],
  metadata: Mapping[str, str] | None = None,
) -> None:
  """Writes arrays so that the file is there whole or not.

  Args:
    file: Its path.
    arrays: Of `DTYPES`, by name.
    metadata: Texts for the header.
  """
  # The largest items first, so that every array is aligned.
  arrays = {
    name: np.asarray(array, order="C") for name, array in arrays.items()
  }
  names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
  header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
  end = 0
  for name in names:
    start, end = end, end + arrays[name].nbytes
    header[name] = {
      "dtype": _NAMES[arrays[name].dtype],
      "shape": list(arrays[name].shape),
      "data_offsets": [start, end],
    }
  text = json.dumps(header, separators=(",", ":")).encode()
  text += b" " * (-len(text) % 8)
  temporary = f"{file}.tmp"
  with open(temporary, "wb") as stream:
    stream.write(len(text).to_bytes(8, "little") + text)
    for name in names:
      stream.write(arrays[name].tobytes())
  files.replace(temporary, os.fspath(file))


def _read_header(stream, size) -> tuple[dict[str, dict[str, Any]], int]:
  """(name -> dtype, shape, start, end; where the first array begins)."""
  length = int.from_bytes(stream.read(8), "little")
  if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
    raise ValueError(f"its header would have {length} of its {size} bytes")
  header = json.loads(stream.read(length))
  if not isinstance(header, dict):
    raise TypeError("its header is no JSON object")
  header.pop(_METADATA, None)
  first = 8 + length
  entries = {}
  for name, entry in header.items():
    shape, (start, end) = entry["shape"], entry["data_offsets"]
    numbers = [*shape, start, end]
    if not all(type(x) is int and 0 <= x < 2**48 for x in numbers):
      raise ValueError(f"shape or place of {name!r} are no counts")
    if entry["dtype"] not in DTYPES:
      raise ValueError(
        f"the dtype of {name!r} is {entry['dtype']!r:.80}; known are "
        f"{', '.join(DTYPES)}"
      )
    dtype = DTYPES[entry["dtype"]]
    if end - start != math.prod(shape) * dtype.itemsize or first + end > size:
      raise ValueError(
        f"the array {name!r} {shape} does not fill the bytes {start} to {end}"
      )
    entries[name] = {
      "dtype": dtype,
      "shape": tuple(shape),
      "start": first + start,
      "end": first + end,
    }
  return entries, first
