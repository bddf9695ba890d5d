"""A checkpoint read and checked without the model that it is of."""

import math
import os
import pathlib
import re
from typing import Any

import jax
import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.storage import checkpoint, saved
from taskrobust_jax.storage.described import described
from taskrobust_jax.storage.digest import digests
from taskrobust_jax.storage.saved import DamageError


def verify(folder: pathlib.Path, step: int) -> dict[str, np.ndarray]:
  """Reads all arrays of a step, without its model, and checks their digests.

  Args:
    folder: Of the checkpoints.
    step: One of `saved.steps_in(folder)`.

  Returns:
    Path -> array, on the host.

  Raises:
    DamageError: If the step is not what was saved.
    InputError: If it holds more than this machine's memory.
  """
  place = folder / str(step)
  manifest = saved.read_manifest(folder, step)
  paths = {_names(path): path for path in manifest["arrays"]}
  size = sum(_num_bytes(place, text) for text in manifest["arrays"].values())
  memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  if size > memory:
    raise InputError(
      f"checkpoint {place} holds {size:,} bytes; this machine's memory has "
      f"{memory:,}"
    )
  device = jax.sharding.SingleDeviceSharding(_host())
  target = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device),
    checkpoint.shapes_in(place),
  )
  found = {_names(path): x for path, x in _leaves(target)}
  for name in sorted(found.keys() | paths.keys()):
    told = manifest["arrays"].get(paths.get(name), "absent")
    seen = described(found[name]) if name in found else "absent"
    if told != seen:
      raise DamageError(
        f"checkpoint {place} is damaged: array {'.'.join(name)} is {seen}, its "
        f"manifest says {told}"
      )
  arrays = {
    paths[_names(path)]: x
    for path, x in _leaves(checkpoint.read(place, target))
  }
  seen = {path: _digest(array) for path, array in arrays.items()}
  saved.compare_digests(place, manifest, seen)
  return jax.device_get(arrays)


def _host() -> jax.Device:
  """The CPU: an accelerator may be full, which would look like damage."""
  try:
    return jax.local_devices(backend="cpu")[0]
  except RuntimeError:  # JAX_PLATFORMS leaves it out.
    return jax.local_devices()[0]


def _digest(array: jax.Array) -> int:
  (number,) = digests([array]).values()
  return number


def _leaves(tree: Any) -> list[tuple[str, Any]]:
  return [
    (jax.tree_util.keystr(path), leaf)
    for path, leaf in jax.tree.leaves_with_path(tree)
  ]


def _num_bytes(place: pathlib.Path, text: str) -> int:
  """Of an array that `described` gave this text."""
  match = re.fullmatch(r"(\w+)\[([\d, ]*)\]", text)
  try:
    sizes = [int(x) for x in match[2].split(",")] if match[2] else []
    return math.prod(sizes) * jax.numpy.dtype(match[1]).itemsize
  except (TypeError, ValueError) as error:
    raise DamageError(
      f"checkpoint {place} is damaged: an array is {text!r:.80}"
    ) from error


def _names(path: str) -> tuple[str, ...]:
  """`.params['a'][0]` and `['params']['a']['0']` are one place."""
  parts = re.findall(r"\['(.*?)'\]|\[(\d+)\]|\.(\w+)", path)
  return tuple("".join(part) for part in parts)
