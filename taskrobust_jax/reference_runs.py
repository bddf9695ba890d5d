"""The runs that references are made from, and their curves."""

from collections.abc import Mapping

from ml_collections import ConfigDict
import numpy as np

from taskrobust_jax import config_text
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import references

_MOST_POINTS = 50


def averaged(config: ConfigDict) -> ConfigDict:
  """The config of a run that trains all tasks alike."""
  return _with_strategy(config, "strategy=uniform").lock()


def of_one_task(config: ConfigDict, k: int, num_tasks: int) -> ConfigDict:
  """The config of a run that trains task k alone, on the rows of all tasks.

  So the run takes as many rows of k a step as the others do of all K tasks: it
  tells what the model reaches on k if nothing else is asked of it. A run on k's
  own rows is no such measure: a small model of one task learns more slowly from
  B / K rows than one of K tasks from B (notebooks/study_plan.md).
  """
  weights = tuple(float(j == k) for j in range(num_tasks))
  changed = _with_strategy(config, f"strategy=fixed,weights={weights}")
  if changed.tasks.get("budget") == "rows":
    # The other tasks keep the one row each that this budget demands.
    changed.tasks.budget, changed.tasks.min_rows = "rows_by_weight", 1
  return changed.lock()


def _with_strategy(config: ConfigDict, text: str) -> ConfigDict:
  """An unlocked copy of the config with another strategy, equal rows a task."""
  _, section = config_text.parse(text, "uniform", {})
  changed = ConfigDict(config.to_dict())
  changed.minimax = section
  changed.evaluation.patience = 0
  if changed.tasks.get("budget") == "rows_by_weight":
    changed.tasks.budget, changed.tasks.min_rows = "rows", 0
  return changed


def curve(
  series: Mapping[str, tuple[np.ndarray, np.ndarray]],
  fewest_rows: int,
  offset: int = 0,
) -> references.Curve:
  """One curve over common steps, of at most 50 points.

  Args:
    series: (steps, losses) of every task, by name.
    fewest_rows: That a point is the mean of.
    offset: Added to all steps.

  Raises:
    InputError: If a task has no finite loss.
  """
  steps = np.unique(np.concatenate([steps for steps, _ in series.values()]))
  num_points = min(_MOST_POINTS, max(1, len(steps) // fewest_rows))
  columns = []
  points = [chunk.mean() for chunk in np.array_split(steps, num_points)]
  for name, (own_steps, losses) in series.items():
    is_known = np.isfinite(losses)
    if not is_known.any():
      raise InputError(
        f"no reference for the task {name}: its run never saw a target of it; "
        "if that was in the held-out rows, raise evaluation.max_rows"
      )
    at = np.interp(steps, own_steps[is_known], losses[is_known])
    columns.append([x.mean() for x in np.array_split(at, num_points)])
  points = np.maximum(np.round(points) + offset, 0).astype(int)
  table = np.stack(columns, axis=1)
  return references.Curve(
    tuple(points.tolist()), tuple(map(tuple, table.tolist()))
  )
