"""Intervals and tests over seeds.

Values are [R, ...]: R replicates of a method, each of a pre-training seed.
"""

from collections.abc import Sequence
import math
from typing import NamedTuple

import numpy as np

NUM_RESAMPLES = 4000


class Estimate(NamedTuple):
  """A number and its 95 % interval, NaN for one replicate."""

  value: float
  low: float
  high: float

  def as_text(self, sign: str = "") -> str:
    """`0.812 [0.700, 0.930]`, or the number alone; `-` for none.

    Args:
      sign: "+" to show that of positive numbers.
    """
    if not math.isfinite(self.value):
      return "-"
    text = f"{self.value:{sign}.3f}"
    if math.isnan(self.low):
      return text
    return f"{text} [{self.low:{sign}.3f}, {self.high:{sign}.3f}]"


def estimate(values: np.ndarray, groups: Sequence[object]) -> Estimate:
  """The mean of [R] values and its interval; see `resampled_means`."""
  low = high = math.nan
  if len(values) > 1:
    drawn = resampled_means(values[:, None], groups)[:, 0]
    low, high = map(float, interval(drawn))
  return Estimate(float(values.mean()), low, high)


def resampled_means(
  values: np.ndarray, groups: Sequence[object], num: int = NUM_RESAMPLES
) -> np.ndarray:
  """Means over replicates, drawn again in two stages.

  Pre-training seeds are drawn with replacement, then each one's replicates:
  fine-tunings of one checkpoint are more alike than those of two.

  Args:
    values: [R, C].
    groups: [R] pre-training seed of each replicate.
    num: How many means.

  Returns:
    [num, C]; the same for the same input.
  """
  generator = np.random.default_rng(0)
  members = [
    np.flatnonzero([other == group for other in groups])
    for group in dict.fromkeys(groups)
  ]
  share = np.full(len(members), 1 / len(members))
  drawn = generator.multinomial(len(members), share, size=num)  # [num, groups]
  counts = np.zeros((num, len(groups)))
  for times, rows in zip(drawn.T, members, strict=True):
    share = np.full(len(rows), 1 / len(rows))
    counts[:, rows] = generator.multinomial(len(rows) * times, share)
  return counts @ values / counts.sum(1, keepdims=True)


def interval(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The 95 % percentile interval of [num, ...]: (low, high)."""
  low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
  return low, high


def paired_p_value(differences: np.ndarray) -> float:
  """Two-sided p-value of the paired t-test that a mean difference is 0.

  Args:
    differences: [n] of pairs.

  Returns:
    NaN where it cannot be told: below two pairs, or differences that are all
    alike and not 0; 1 where all are 0.
  """
  if len(differences) < 2:
    return float("nan")
  scale = np.abs(differences).max()
  if np.ptp(differences) <= 1e-9 * scale:
    return float("nan") if scale else 1.0
  from scipy import stats  # A second, which a report of one method saves.

  return float(stats.ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> np.ndarray:
  """Holm's correction for testing many things.

    p_(i) <- max_{j <= i} min(1, (m - j + 1) p_(j)),   p_(1) <= ... <= p_(m)

  Args:
    p_values: m of them; NaN stays NaN and does not count.

  Returns:
    [m], in the order given.

  References:
    Holm, A simple sequentially rejective multiple test procedure (1979).
  """
  corrected = np.array(p_values, float)
  known = np.flatnonzero(np.isfinite(corrected))
  known = known[np.argsort(corrected[known], kind="stable")]
  factors = np.arange(len(known), 0, -1)
  raised = np.minimum(1.0, corrected[known] * factors)
  corrected[known] = np.maximum.accumulate(raised)
  return corrected


def pareto_front(mean: np.ndarray, worst: np.ndarray) -> np.ndarray:
  """Which points no other one is at least as good as in both, better in one.

  Args:
    mean: [M], higher is better.
    worst: [M], higher is better.

  Returns:
    [M] bool.
  """
  points = np.stack([mean, worst], axis=1)
  as_good = (points[:, None] >= points[None]).all(-1)
  better = (points[:, None] > points[None]).any(-1)
  return ~(as_good & better).any(0)
