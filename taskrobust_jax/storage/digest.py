"""A digest of every array: equal for every sharding, changed by one bit."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def _digests(tree: Any) -> Any:
  return jax.tree.map(_digest, tree)


def digests(tree: Any) -> dict[str, int]:
  """Digest of each array of a tree, by path.

  A sum modulo 2^32 over bit patterns mixed with their positions. Such a sum
  does not depend on its order, so devices may each add their part.

  Args:
    tree: Of arrays whose items are 1, 2 or 4 bytes long.

  Returns:
    Path -> digest in [0, 2^32).
  """
  leaves = jax.tree.leaves_with_path(jax.device_get(_digests(tree)))
  return {jax.tree_util.keystr(path): int(value) for path, value in leaves}


def _digest(array: jax.Array) -> jax.Array:
  if array.dtype == bool:
    array = array.astype(jnp.uint8)
  bits = jax.lax.bitcast_convert_type(
    array, np.dtype(f"uint{8 * array.dtype.itemsize}")
  ).astype(jnp.uint32)
  position = jnp.zeros(bits.shape, jnp.uint32)
  for axis, size in enumerate(bits.shape):
    index = jax.lax.broadcasted_iota(jnp.uint32, bits.shape, axis)
    position = position * np.uint32(size) + index
  return _mix(bits ^ _mix(position + np.uint32(0x9E3779B9))).sum(
    dtype=jnp.uint32
  )


def _mix(x: jax.Array) -> jax.Array:
  """A bijection of uint32 in which every input bit reaches every output bit."""
  x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)
  x = (x ^ (x >> 15)) * np.uint32(0x846CA68B)
  return x ^ (x >> 16)
