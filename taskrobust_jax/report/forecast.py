"""Whether minimax will help, said before the run, and how good that was."""

from collections.abc import Mapping, Sequence
import math

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


def table(
  probes: Sequence[Probe],
  found: Mapping[str, Sequence[tuple[str, float]]],
) -> tuple[Table, str]:
  """Predicted beside measured gains, and how well they agree.

  Args:
    probes: One a setting.
    found: Setting -> (method, measured gain): 1 less the ratio of its worst
      upstream excess to that of averaging; NaN does not count.

  Returns:
    (a row a pair, the score in words).
  """
  pairs = [
    (probe.setting, method, predicted_gain(probe), gain)
    for probe in probes
    for method, gain in found.get(probe.setting, ())
    if math.isfinite(gain)
  ]
  run = {setting for setting, *_ in pairs}
  waiting = [
    [f"{probe.setting}, not yet run", f"{predicted_gain(probe):+.3f}", "-"]
    for probe in probes
    if probe.setting not in run
  ]
  made = Table(
    "Forecast: predicted and measured gain (share of the worst excess that a "
    "method removes)",
    ["setting, method", "predicted", "measured"],
    [
      [f"{setting}, {method}", f"{predicted:+.3f}", f"{gain:+.3f}"]
      for setting, method, predicted, gain in pairs
    ]
    + waiting,
  )
  forecasts = {predicted for _, _, predicted, _ in pairs}
  if len(forecasts) < 2 or len(pairs) < _FEWEST_PAIRS:
    return made, (
      f"{len(pairs)} pairs, {len(forecasts)} different forecasts: not enough "
      "to score them."
    )
  from scipy import stats  # A second, as in statistics.py.

  predicted, gains = np.array([pair[2:] for pair in pairs]).T
  rank = stats.spearmanr(predicted, gains).statistic
  signs = np.mean((predicted > 0) == (gains > 0))
  return made, (
    f"Spearman's correlation over {len(pairs)} pairs {rank:+.2f}; the sign is "
    f"right in {signs:.0%}."
  )


def gains(
  compared: Sequence[excess.Excess], base: excess.Excess
) -> list[tuple[str, float]]:
  """(method and its number of seeds, measured gain) of the adaptive ones."""
  return [
    (f"{x.method} ({len(x.seeds)} seeds)", 1 - excess.ratio(x, base).value)
    for x in compared
    if evidence.is_adaptive(x.method)
  ]
