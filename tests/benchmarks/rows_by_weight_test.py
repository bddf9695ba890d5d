"""What the benchmark computes of what it has measured."""

import numpy as np
import pytest

from taskrobust_jax.benchmarks import rows_by_weight as benchmark


@pytest.mark.parametrize(
  ("weights", "counts", "expected"),
  [
    ((0.5, 0.5), (4, 4), 8.0),
    ((0.75, 0.25), (6, 2), 8.0),
    ((1.0, 0.0), (4, 4), 4.0),
    # 1 / (0.9^2 / 4 + 0.1^2 / 4)
    ((0.9, 0.1), (4, 4), 4.878048780487805),
  ],
)
def test_effective_rows(weights, counts, expected):
  found = benchmark.effective_rows(np.array(weights), np.array(counts))
  np.testing.assert_allclose(found, expected)


def test_effective_rows_are_those_of_the_row_weights():
  weights, counts = np.array([0.6, 0.3, 0.1]), np.array([2, 5, 1])
  rows = np.repeat(weights / counts, counts)
  np.testing.assert_allclose(
    benchmark.effective_rows(weights, counts), rows.sum() ** 2 / (rows @ rows)
  )


def test_a_gap_is_told_from_chance():
  noise = np.random.default_rng(0).normal(size=(100, 300))
  ratio, p_value = benchmark.gap_of_means(noise)
  assert 0.8 < ratio < 1.2
  assert p_value > 0.05
  ratio, p_value = benchmark.gap_of_means(noise + 0.05)
  # The mean's square is 300 x 0.0025, chance makes 300 / 100 of it.
  np.testing.assert_allclose(ratio, 1.25, atol=0.15)
  assert p_value < 0.01


def test_made_rows_hold_every_task_and_are_drawn_by_their_seed():
  batch = benchmark.made_rows(3)
  for name, value in benchmark.made_rows(3).items():
    np.testing.assert_array_equal(value, batch[name])
  assert (batch["tokens"] != benchmark.made_rows(4)["tokens"]).any()
  assert set(batch["tags"].flat) == {1, 2, 3, 4, 5}
  assert batch["tokens"].min() >= 5
  assert batch["tokens"].max() < benchmark.VOCABULARY_SIZE


def test_rows_of_tasks_follow_the_weights():
  counts = benchmark.row_counts(np.float32([0.97, 0.01, 0.01, 0.01]))
  assert counts.shape == (200, 4)
  assert (counts.sum(1) == benchmark.NUM_ROWS).all()
  np.testing.assert_allclose(counts.mean(0), [59.2, 1.6, 1.6, 1.6], atol=0.15)
