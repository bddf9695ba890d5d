"""How many rows serve each task, and which."""

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks.rows_by_weight import assign_rows, default_min_rows
from taskrobust_jax.train import sharding

assign = jax.jit(assign_rows, static_argnums=(2, 3))


def counts_of(tasks, num_tasks):
  return np.bincount(np.asarray(tasks), minlength=num_tasks)


def expectation(weights, num_rows, min_rows):
  weights = np.asarray(weights, np.float64)
  to_draw = num_rows - len(weights) * min_rows
  return min_rows + to_draw * weights / weights.sum()


@settings(deadline=None, max_examples=200)
@given(
  size=st.sampled_from([(1, 5, 1), (3, 12, 4), (4, 33, 1), (5, 256, 7)]),
  exponents=st.lists(st.floats(-40, 0), min_size=5, max_size=5),
  seed=st.integers(0, 2**31 - 1),
)
def test_counts_are_within_one_row_of_their_expectation(size, exponents, seed):
  num_tasks, num_rows, min_rows = size
  weights = np.exp(np.array(exponents[:num_tasks]))
  tasks = assign(jax.random.key(seed), jnp.float32(weights), num_rows, min_rows)
  counts = counts_of(tasks, num_tasks)
  assert counts.sum() == num_rows
  assert counts.min() >= min_rows
  distance = np.abs(counts - expectation(weights, num_rows, min_rows))
  assert distance.max() < 1 + 1e-4


WEIGHTS = (0.613, 0.2, 0.15, 0.037)
NUM_ROWS = 32
NUM_KEYS = 20_000


def many_tasks(order=lambda keys: keys):
  """[keys, B] ids at `WEIGHTS`, at least 2 rows a task."""
  keys = jax.random.split(jax.random.key(0), NUM_KEYS)
  draw = lambda key: assign_rows(key, jnp.array(WEIGHTS), NUM_ROWS, 2)
  return np.asarray(jax.jit(jax.vmap(draw))(keys))


def test_counts_and_places_have_the_expectation_of_the_weights():
  is_task = many_tasks()[..., None] == np.arange(4)
  expected = expectation(WEIGHTS, NUM_ROWS, 2)
  # A count has at most the variance 1/4: four standard errors.
  np.testing.assert_allclose(
    is_task.sum(1).mean(0), expected, atol=4 * 0.5 / NUM_KEYS**0.5
  )
  # Every row serves a task equally often.
  share = expected / NUM_ROWS
  error = np.sqrt(share * (1 - share) / NUM_KEYS)
  distance = np.abs(is_task.mean(0) - share) / error  # [B, K]
  assert distance.max() < 4.5
  assert np.mean(distance**2) < 1.5


def test_a_weight_of_1_leaves_the_others_their_least():
  weights = jnp.array([0.0, 1.0, 0.0])
  for seed in range(20):
    tasks = assign(jax.random.key(seed), weights, 30, 3)
    np.testing.assert_array_equal(counts_of(tasks, 3), [3, 24, 3])


def test_equal_weights_are_equal_rows():
  for seed in range(20):
    tasks = assign(jax.random.key(seed), jnp.full(4, 0.25), 32, 1)
    np.testing.assert_array_equal(counts_of(tasks, 4), 8)


@pytest.mark.parametrize(
  ("weights", "like"),
  [
    ((0.5, -0.25, 0.25), (2, 1, 1)),
    ((np.nan, 0.5, 0.5), (0, 1, 1)),
    ((np.inf, 0.5, 0.5), (0, 1, 1)),
    ((3e38, 3e38, 0.0), (1, 1, 0)),
    ((1e-35, 1e-35, 0.0), (1, 1, 0)),
    ((0.0, 0.0, 0.0), (1, 1, 1)),
    ((np.nan, np.nan, np.nan), (1, 1, 1)),
  ],
)
def test_weights_off_the_simplex_count_by_their_size(weights, like):
  expected = expectation(like, 27, 1)
  for seed in range(10):
    tasks = assign(jax.random.key(seed), jnp.float32(weights), 27, 1)
    assert np.abs(counts_of(tasks, 3) - expected).max() <= 1


def test_eight_devices_agree_with_one_without_a_word():
  mesh = sharding.make_mesh()
  assert mesh.size == 8
  spread = jax.jit(
    assign_rows,
    static_argnums=(2, 3),
    in_shardings=(sharding.replicated(mesh),) * 2,
    out_shardings=sharding.batch_sharding(mesh),
  )
  inputs = (jax.random.key(5), jnp.array(WEIGHTS), 64, 2)
  got = spread(*inputs)
  assert len({s.device for s in got.addressable_shards}) == 8
  np.testing.assert_array_equal(got, assign(*inputs))
  text = spread.lower(*inputs).compile().as_text()
  for word in ("all-gather", "all-to-all", "collective-permute", "all-reduce"):
    assert word not in text


def test_new_weights_and_keys_need_no_new_program():
  draw = jax.jit(lambda key, weights: assign_rows(key, weights, 16, 1))
  one = draw(jax.random.key(0), jnp.array([0.9, 0.1]))
  other = draw(jax.random.key(0), jnp.array([0.1, 0.9]))
  assert draw._cache_size() == 1
  assert (one == 0).sum() > 10 > (other == 0).sum()


def test_the_default_floor_is_a_sixteenth_of_an_equal_share():
  assert [default_min_rows(b, 4) for b in (4, 64, 127, 128, 1024)] == [
    *(1, 1, 1),
    *(2, 16),
  ]


def test_a_floor_that_the_batch_cannot_hold_is_named():
  message = "batch_size must be at least 3 tasks x min_rows = 4: 12, got 11"
  with pytest.raises(InputError, match=message):
    assign_rows(jax.random.key(0), jnp.ones(3), 11, 4)
