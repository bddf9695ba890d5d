"""What a run watches about itself: collapsed weights, and a plateau."""

from collections.abc import Mapping, Sequence
import json
import math
import pathlib
from typing import Any

from taskrobust_jax.storage.checkpoint import WORST_TASK_LOSS

# Weights whose entropy stays under this share of log K have collapsed,
ENTROPY_FLOOR = 0.3
# if they do so in that many logged rows in a row.
_NUM_ROWS = 10


class CollapseWarning:
  """Says once, by name, that one task holds nearly all the weight.

  Without names it says nothing.
  """

  def __init__(self, task_names: Sequence[str]):
    self._task_names = tuple(task_names)
    self._num_low = 0
    self._is_told = False

  def note(self, step: int, values: dict[str, float]) -> str | None:
    """Takes a row of `metrics.train_values`.

    Returns:
      The warning, the first time that it is due.
    """
    if not self._task_names:
      return None
    weights = [values[f"train/weight/{name}"] for name in self._task_names]
    entropy = -sum(q * math.log(q) for q in weights if q > 0)
    is_low = entropy < ENTROPY_FLOOR * math.log(len(weights))  # Never if K = 1.
    # Coefficients outside of the simplex have no entropy.
    is_simplex = min(weights) >= 0 and abs(sum(weights) - 1) < 1e-3
    self._num_low = self._num_low + 1 if is_low and is_simplex else 0
    if self._is_told or self._num_low < _NUM_ROWS:
      return None
    self._is_told = True
    name = self._task_names[weights.index(max(weights))]
    losses = {
      other: values[f"train/loss/{other}"]
      for other in self._task_names
      if f"train/loss/{other}" in values
    }
    own = f"{losses.pop(name):.3g}" if name in losses else "absent"
    others = "absent"
    if losses:
      others = f"{min(losses.values()):.3g} to {max(losses.values()):.3g}"
    return (
      f"WARNING step {step}: the task weights collapsed: {name} has "
      f"{max(weights):.0%} of the weight (its loss: {own}; the others': "
      f"{others}). If its loss is only high because it "
      "cannot be learnt lower, show the adversary comparable losses "
      "(signal=excess_over with references by calibrate, or "
      "relative_to_start), or take a smaller step_size, a larger temperature "
      "or more smoothing."
    )


class Plateau:
  """Tells when the worst held-out task has stopped to improve."""

  def __init__(self, patience: int):
    """Starts anew.

    Args:
      patience: Evaluations in a row without a better one; 0 for no end.
    """
    self._patience = patience
    self._best = math.inf
    self._num_worse = 0

  def note(self, values: Mapping[str, float | None]) -> None:
    """Takes the values of an evaluation."""
    worst = values.get(WORST_TASK_LOSS)
    if worst is not None and worst < self._best:
      self._best, self._num_worse = worst, 0
    else:
      self._num_worse += 1

  def is_reached(self) -> bool:
    return 0 < self._patience <= self._num_worse


def evaluations(metrics: pathlib.Path, last: int) -> list[dict[str, Any]]:
  """The rows of a run's metrics.jsonl that hold an evaluation, up to a step."""
  with metrics.open("rb") as lines:
    rows = [json.loads(x) for x in lines if WORST_TASK_LOSS.encode() in x]
  return [row for row in rows if row["step"] <= last]
