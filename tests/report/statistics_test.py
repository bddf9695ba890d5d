import numpy as np
import pytest
from scipy import stats

from taskrobust_jax.report import statistics


def test_holm_by_hand():
  # Ascending .01 .02 .04: times 3, 2, 1; then never below the one before.
  corrected = statistics.holm([0.04, 0.01, 0.02])
  np.testing.assert_allclose(corrected, [0.04, 0.03, 0.04])
  np.testing.assert_allclose(statistics.holm([0.9, 0.6]), [1.0, 1.0])


def test_a_test_that_was_not_made_does_not_count_for_holm():
  corrected = statistics.holm([np.nan, 0.01, 0.5])
  np.testing.assert_allclose(corrected, [np.nan, 0.02, 0.5])
  assert statistics.holm([]).shape == (0,)


def test_p_value_is_that_of_the_paired_t_test():
  ours, theirs = np.array([0.5, 0.6, 0.9]), np.array([0.4, 0.7, 0.5])
  expected = stats.ttest_rel(ours, theirs).pvalue
  assert statistics.paired_p_value(ours - theirs) == pytest.approx(expected)


@pytest.mark.parametrize(
  ("differences", "p_value"),
  [([], np.nan), ([0.1], np.nan), ([0.1, 0.1], np.nan), ([0.0, 0.0], 1.0)],
)
def test_what_cannot_be_tested_is_not(differences, p_value):
  found = statistics.paired_p_value(np.array(differences))
  np.testing.assert_equal(found, p_value)


def test_means_of_two_replicates_take_three_values():
  drawn = statistics.resampled_means(np.array([[0.0], [1.0]]), [7, 8])
  values, counts = np.unique(drawn, return_counts=True)
  np.testing.assert_array_equal(values, [0, 0.5, 1])
  np.testing.assert_allclose(
    counts / counts.sum(), [1 / 4, 1 / 2, 1 / 4], atol=0.03
  )
  assert statistics.interval(drawn[:, 0]) == (0, 1)


def test_replicates_of_one_checkpoint_are_drawn_together():
  # Two checkpoints, each with two equal fine-tunings: only which checkpoints
  # are drawn matters, so both are missed half of the time.
  values = np.array([[0.0], [0.0], [1.0], [1.0]])
  drawn = statistics.resampled_means(values, [0, 0, 1, 1])
  assert set(np.unique(drawn)) == {0, 0.5, 1}
  # One checkpoint: its fine-tunings are drawn.
  alone = statistics.resampled_means(values, [0] * 4)
  assert len(np.unique(alone)) == 5


def test_columns_are_drawn_alike():
  drawn = statistics.resampled_means(np.array([[0.0, 1.0], [1.0, 0.0]]), [0, 0])
  np.testing.assert_allclose(drawn.sum(1), 1)


def test_pareto_front_by_hand():
  mean = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
  worst = np.array([3.0, 2.0, 1.0, 1.5, 3.0])
  found = statistics.pareto_front(mean, worst)
  np.testing.assert_array_equal(found, [True, True, True, False, True])
