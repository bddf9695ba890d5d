"""Whether minimax will help, said before the run, and how good that was."""

from collections.abc import Mapping, Sequence
import math
from typing import NamedTuple

import numpy as np

from taskrobust_jax.report import evidence, excess
from taskrobust_jax.report.evidence import Probe
from taskrobust_jax.report.tables import Table

_FEWEST_PAIRS = 4  # Below these a rank correlation says nothing.


def predicted_gain(probe: Probe) -> float:
  """The gain that a probe promises, in [0, 2].

    (share of the excess in the worst task - 1 / K) (1 - mean cosine between
    the worst task's gradient and the others')

  0 where no task has an excess: there is nothing to balance.
  """
  over = np.maximum(np.subtract(probe.averaged, probe.references), 0.0)
  if not over.sum():
    return 0.0
  worst = int(over.argmax())
  share = over[worst] / over.sum() - 1 / len(over)
  others = np.delete(np.asarray(probe.cosines)[worst], worst)
  return float(share * (1 - others.mean()))


class Pair(NamedTuple):
  """A gain that was forecast and measured."""

  setting: str
  method: str
  predicted: float
  measured: float


def pairs(
  probes: Sequence[Probe],
  found: Mapping[str, Sequence[tuple[str, float]]],
) -> list[Pair]:
  """Predicted and measured gains.

  Args:
    probes: One a setting.
    found: Setting -> (method, measured gain): 1 less the ratio of its worst
      upstream excess to that of averaging; NaN does not count.
  """
  return [
    Pair(probe.setting, method, predicted_gain(probe), gain)
    for probe in probes
    for method, gain in found.get(probe.setting, ())
    if math.isfinite(gain)
  ]


def table(probes: Sequence[Probe], found: Sequence[Pair]) -> Table:
  """A row a pair, and a row a setting that was only probed."""
  run = {pair.setting for pair in found}
  waiting = [
    [f"{probe.setting}, not yet run", f"{predicted_gain(probe):+.3f}", "-"]
    for probe in probes
    if probe.setting not in run
  ]
  return Table(
    "Forecast: predicted and measured gain (share of the worst excess that a "
    "method removes)",
    ["setting, method", "predicted", "measured"],
    [
      [f"{setting}, {method}", f"{predicted:+.3f}", f"{gain:+.3f}"]
      for setting, method, predicted, gain in found
    ]
    + waiting,
  )


def told(found: Sequence[Pair]) -> str:
  """How well forecasts and gains agree: of all pairs, then of settings.

  A forecast knows no method, so the pairs of a setting share theirs; of a
  setting the median gain counts.
  """
  of_setting: dict[str, list[Pair]] = {}
  for pair in found:
    of_setting.setdefault(pair.setting, []).append(pair)
  medians = [
    group[0]._replace(measured=float(np.median([x.measured for x in group])))
    for group in of_setting.values()
  ]
  return (
    f"{_score(found, 'pairs of a setting and a method')} "
    f"{_score(medians, 'settings, by the median gain,')}"
  )


def _score(found: Sequence[Pair], what: str) -> str:
  if len({x.predicted for x in found}) < 2 or len(found) < _FEWEST_PAIRS:
    return f"{len(found)} {what.rstrip(',')}: not enough to score forecasts."
  from scipy import stats  # A second, as in statistics.py.

  predicted = np.array([pair.predicted for pair in found])
  gains = np.array([pair.measured for pair in found])
  rank = stats.spearmanr(predicted, gains).statistic
  # A forecast is at least 0, so that its sign says nothing.
  return (
    f"Over {len(found)} {what} Spearman's correlation is {rank:+.2f}; "
    f"{np.mean(gains > 0):.0%} are gains, whatever was forecast."
  )


def gains(
  compared: Sequence[excess.Excess], base: excess.Excess
) -> list[tuple[str, float]]:
  """(method, measured gain) of the adaptive ones."""
  return [
    (x.method, 1 - excess.ratio(x, base).value)
    for x in compared
    if evidence.is_adaptive(x.method)
  ]
