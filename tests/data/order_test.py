"""Batch s is a function of (seed, s), and an epoch is a permutation."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data import order

SIZES = st.integers(1, 12)
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("kind", [order.Order, order.SmallOrder])
@settings(max_examples=20, deadline=None)
@given(SIZES, SIZES, SEEDS)
def test_every_row_comes_once_an_epoch(kind, num_rows, batch_size, seed):
  it = kind(num_rows, batch_size, seed)
  steps = -(-3 * num_rows // batch_size)
  rows = np.concatenate([it.rows(step) for step in range(steps)])
  assert rows.dtype == np.int64
  epochs = rows[: 3 * num_rows].reshape(3, num_rows)
  assert (np.sort(epochs, axis=1) == np.arange(num_rows)).all()


@pytest.mark.parametrize("kind", [order.Order, order.SmallOrder])
@settings(max_examples=20, deadline=None)
@given(SIZES, SIZES, SEEDS, st.lists(st.integers(0, 10**9), max_size=5))
def test_a_batch_depends_on_seed_and_step_alone(
  kind, num_rows, size, seed, before
):
  it = kind(num_rows, size, seed)
  for step in before:
    it.rows(step)
  assert (it.rows(7) == kind(num_rows, size, seed).rows(7)).all()


@pytest.mark.parametrize("kind", [order.Order, order.SmallOrder])
def test_epochs_and_seeds_differ(kind):
  first = kind(1_000, 1_000, 0)
  assert (first.rows(0) != first.rows(1)).mean() > 0.9
  assert (first.rows(0) != kind(1_000, 1_000, 1).rows(0)).mean() > 0.9


def test_the_order_never_changes():
  # A run that was stopped goes on with these rows, whatever was installed
  # in between.
  assert order.Order(10, 5, 3).rows(0).tolist() == [4, 6, 9, 7, 5]
  assert order.Order(10, 5, 3).rows(10**6).tolist() == [7, 9, 0, 5, 6]


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ((0, 1, 0), "num_rows: 0 is not in 1 to"),
    ((1, 0, 0), "batch_size: 0 is not in 1 to"),
    ((1, 1, -1), "seed: -1 is not in 0 to 4294967295"),
    ((1, 1, 2**32), "seed: 4294967296 is not in 0 to 4294967295"),
  ],
)
def test_bad_input_names_itself(arguments, message):
  with pytest.raises(errors.InputError, match=message):
    order.Order(*arguments)


def test_negative_step_names_itself():
  with pytest.raises(errors.InputError, match="step: -1 is below 0"):
    order.Order(1, 1, 0).rows(-1)
