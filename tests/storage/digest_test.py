"""The digest of an array: of its bits and their places, not its sharding."""

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np
import pytest

from taskrobust_jax.storage.digest import digests
from taskrobust_jax.train.sharding import make_mesh

DTYPES = (bool, "int32", "bfloat16", "float32")


def digest(array):
  (value,) = digests([jnp.asarray(array)]).values()
  return value


def random_array(dtype):
  random = np.random.default_rng(0)
  if dtype is bool:
    return random.integers(0, 2, (16, 8)).astype(bool)
  if dtype == "int32":
    return random.integers(-(2**31), 2**31, (16, 8)).astype(np.int32)
  return np.array(jnp.asarray(random.normal(size=(16, 8)), dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_sharding_has_the_same_digest(dtype):
  array = random_array(dtype)
  expected = digest(array)
  mesh = make_mesh(2, 4)
  for spec in (
    (),
    ("data",),
    ("fsdp",),
    ("fsdp", "data"),
    (("data", "fsdp"),),
    (None, ("data", "fsdp")),
  ):
    placed = jax.device_put(array, NamedSharding(mesh, PartitionSpec(*spec)))
    assert digest(placed) == expected, spec


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_flipped_bit_changes_it(dtype):
  array = random_array(dtype)
  bits = 1 if dtype is bool else 8 * array.dtype.itemsize
  seen = {digest(array)}
  for bit in range(bits):
    changed = array.copy()
    view = changed.reshape(-1).view(f"u{array.dtype.itemsize}")
    view[37] ^= np.array(1 << bit, view.dtype)
    seen.add(digest(changed))
  assert len(seen) == bits + 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_swapped_and_moved_values_change_it(dtype):
  array = np.zeros((4, 6), random_array(dtype).dtype)
  array[1, 2] = 1
  seen = {digest(array)}
  for place in ((0, 0), (1, 3), (2, 2), (3, 5)):
    moved = np.zeros_like(array)
    moved[place] = 1
    seen.add(digest(moved))
  assert len(seen) == 5
  if dtype is not bool:
    swapped = random_array(dtype)
    before = digest(swapped)
    swapped[[3, 7]] = swapped[[7, 3]]
    assert digest(swapped) != before


def test_zeros_count_and_every_path_is_named():
  tree = {"a": jnp.float32(0.0), "b": {"c": jnp.zeros((0, 3))}}
  found = digests(tree)
  assert list(found) == ["['a']", "['b']['c']"]
  assert digest(jnp.float32(0.0)) != digest(jnp.float32(-0.0))
  assert digest(jnp.zeros(3)) != digest(jnp.zeros(4))
