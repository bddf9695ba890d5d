"""Rows by index on any mesh, and reading ahead."""

import threading

import jax
import numpy as np
import pytest

from taskrobust_jax.train import batches
from taskrobust_jax.train.sharding import batch_sharding, make_mesh
from tests.train import toy


class Source(toy.Rows):
  """Remembers what it was asked for."""

  def __init__(self):
    super().__init__(96, 0)
    self.rows["share"] = np.linspace(0, 1, 96, dtype=np.float32)
    self.rows["depth"] = np.full((96, 2), np.nan, np.float32)
    self.asked = []

  def read(self, indices):
    self.asked.append(np.asarray(indices).tolist())
    return super().read(indices)


@pytest.mark.parametrize(("data", "fsdp", "devices"), [(8, 1, 8), (2, 4, 8)])
def test_rows_in_order_on_any_mesh(data, fsdp, devices):
  check_load(make_mesh(data, fsdp, devices=jax.devices()[:devices]))


def test_rows_in_order_on_one_device():
  check_load(make_mesh(devices=jax.devices()[:1]))


def check_load(mesh):
  source = Source()
  rows = np.random.default_rng(1).integers(0, 96, 24)
  batch = batches.load(source, rows, mesh)
  assert source.asked == [rows.tolist()]
  for name, values in source.rows.items():
    assert batch[name].sharding == batch_sharding(mesh)
    assert batch[name].dtype == values.dtype
    np.testing.assert_array_equal(batch[name], values[rows])


def test_minus_one_is_a_row_of_zeros():
  source = Source()
  rows = np.array([5, -1, 7, 8, -1, 2, 1, -1])
  batch = batches.load(source, rows, make_mesh())
  for name, values in source.rows.items():
    expected = values[rows].copy()
    expected[rows < 0] = 0
    np.testing.assert_array_equal(batch[name], expected)


@pytest.mark.parametrize(("first", "last"), [(0, 7), (5, 6), (3, 5), (4, 4)])
def test_read_ahead_yields_all_in_order(first, last):
  found = list(batches.read_ahead(lambda step: step, first, last))
  assert found == list(range(first, last))


def test_read_ahead_reads_in_another_thread_and_only_so_far():
  asked, threads, were_read = [], set(), threading.Semaphore(0)

  def load(step):
    asked.append(step)
    threads.add(threading.current_thread())
    were_read.release()
    return step

  steps = batches.read_ahead(load, 0, 100)
  next(steps)
  for _ in range(1 + batches.READ_AHEAD):
    assert were_read.acquire(timeout=30)
  steps.close()
  assert asked == list(range(1 + batches.READ_AHEAD))
  assert threading.current_thread() not in threads
  assert not any(thread.is_alive() for thread in threads)


def test_read_ahead_raises_what_loading_raised_at_its_step():
  def load(step):
    if step >= 2:
      raise ValueError(f"step {step}")
    return step

  before = threading.active_count()
  steps = batches.read_ahead(load, 0, 9)
  assert [next(steps), next(steps)] == [0, 1]
  with pytest.raises(ValueError, match="step 2"):
    next(steps)
  assert threading.active_count() == before
