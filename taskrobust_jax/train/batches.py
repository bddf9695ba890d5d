"""Batches: the rows of a step, read by index and laid over the devices."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import jax
from jax.sharding import Mesh
import numpy as np

from taskrobust_jax.train.sharding import batch_sharding

# Batches read ahead: one being copied to the devices, one ready.
READ_AHEAD = 2


class RowSource(Protocol):
  """Rows that can be read by index."""

  def __len__(self) -> int: ...

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]: ...


def load(
  source: RowSource,
  rows: np.ndarray,
  mesh: Mesh,
  change: Callable[..., dict[str, np.ndarray]] | None = None,
) -> dict[str, jax.Array]:
  """The global batch of the given rows, spread over the mesh.

  A process reads only the rows that its own devices hold.

  Args:
    source: The rows.
    rows: [B] int64 indices; -1 stands for an empty row, all zeros.
    mesh: From `sharding.make_mesh`.
    change: (places in the global batch [n], their rows) -> rows, applied to
      what this process reads; `None` for nothing.

  Returns:
    Feature name -> [B, ...] array, sharded by rows.
  """
  sharding = batch_sharding(mesh)
  place = np.arange(len(rows))
  held = sharding.addressable_devices_indices_map(rows.shape).values()
  local = np.unique(np.concatenate([place[index] for index in held]))
  values = source.read(np.maximum(rows[local], 0))
  if change is not None:
    values = change(local, values)

  def spread(value):
    is_row = (rows[local] >= 0).reshape(-1, *[1] * (value.ndim - 1))
    # No product: depth may be NaN where it is not known.
    value = np.where(is_row, value, np.zeros((), value.dtype))
    return jax.make_array_from_callback(
      (len(rows), *value.shape[1:]),
      sharding,
      lambda index: value[np.searchsorted(local, place[index[0]])],
    )

  return jax.tree.map(spread, values)


def padded(rows: np.ndarray, size: int) -> np.ndarray:
  """Row numbers, and -1 up to a size: what `load` makes empty rows of."""
  return np.append(rows, np.full(size - len(rows), -1)).astype(np.int64)


def read_ahead(
  load_step: Callable[[int], Any], first: int, last: int
) -> Iterator[Any]:
  """Yields `load_step(step)` for first <= step < last, read in a thread."""
  with ThreadPoolExecutor(1) as pool:
    waiting = [
      pool.submit(load_step, step)
      for step in range(first, min(first + READ_AHEAD, last))
    ]
    try:
      for step in range(first, last):
        if step + READ_AHEAD < last:
          waiting.append(pool.submit(load_step, step + READ_AHEAD))
        yield waiting.pop(0).result()
    finally:
      for future in waiting:
        future.cancel()
