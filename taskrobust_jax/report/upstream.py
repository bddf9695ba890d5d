"""The part of a report on pre-training runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import math
from typing import Any

import numpy as np

from taskrobust_jax.report import curves, figures, pairs, statistics
from taskrobust_jax.report.methods import Method, is_finished, last_step
from taskrobust_jax.report.page import Picture, Section
from taskrobust_jax.report.read import Run
from taskrobust_jax.report.settings import differing
from taskrobust_jax.report.tables import Comparison, Table, finite_mean

_FEW = 4  # Runs that one picture can tell apart by the style of their lines.
_MUST_BE_EQUAL = {
  "num_steps": "budgets",
  "batch_size": "budgets",
  "evaluation.every": "selection",
  "evaluation.max_rows": "selection",
  "evaluation.patience": "selection",
  "checkpoint.every": "selection",
  "data_digest": "data",
}


def section(
  methods: Sequence[Method],
  comparison: Comparison,
  colours: Mapping[str, Any],
  name: str,
) -> Section:
  """What the page says of runs of the same tasks.

  Args:
    methods: Of these runs.
    comparison: Of these runs.
    colours: Of methods, by name.
    name: Of the picture.
  """
  runs = [run for method in methods for run in method.runs]
  has_replicates = len(runs) > len(methods)
  few = len(runs) <= _FEW and not has_replicates
  if few:
    figure = figures.figure_of_runs(runs)
    caption = "Held-out losses and task weights; the first run is dashed."
    blocks = [list(comparison.runs), *comparison.tables, *comparison.notes]
  else:
    figure = curves.figure_of_methods(methods, colours)
    caption = (
      "Held-out losses and task weights: the mean over a method's runs, from "
      "the lowest to the highest."
    )
    blocks = [_losses(methods), *_tests(methods), _weights(methods)]
  return Section(
    "Pre-training",
    [f"Tasks: {', '.join(runs[0].task_names)}.", Picture(figure, name, caption)]
    + blocks,
  )


def warnings(methods: Sequence[Method]) -> list[str]:
  """What makes runs hard to compare; empty if nothing does."""
  lines = [
    f"{m.name} (pre-training) has {len(m.runs)} of the 3 or more seeds that an "
    "interval or a test needs."
    for m in methods
    if len(m.runs) < 3 and len(methods) > 1
  ]
  for run in (run for method in methods for run in method.runs):
    if not is_finished(run):
      lines.append(f"{run.path} is not finished: step {last_step(run):.0f}.")
  for key, seen in differing([m.settings for m in methods]).items():
    if what := _MUST_BE_EQUAL.get(key):
      told = [f"{s:.12} ({m.name})" for s, m in zip(seen, methods, strict=True)]
      lines.append(f"Unequal {what}: {key} is {'; '.join(told)}.")
  return lines


def values(groups: Iterable[Sequence[Run]]) -> list[dict[str, Any]]:
  """The last held-out losses and the mean weights, as JSON values."""
  return [
    {
      "run": run.name,
      "folder": str(run.path),
      "step": last_step(run),
      "loss": {task: run.last(f"eval/loss/{task}") for task in run.task_names},
      "worst_task_loss": run.last("eval/worst_task_loss"),
      "mean_task_loss": run.last("eval/mean_task_loss"),
      "mean_weight": {
        task: finite_mean(run.series(f"train/weight/{task}")[1])
        for task in run.task_names
      },
    }
    for runs in groups
    for run in runs
  ]


def _keys(tasks: Sequence[str]) -> list[tuple[str, str]]:
  """(name, key of metrics.jsonl) of all that is compared."""
  return [
    *((task, f"eval/loss/{task}") for task in tasks),
    (pairs.WORST, "eval/worst_task_loss"),
    (pairs.MEAN, "eval/mean_task_loss"),
  ]


def _losses(methods: Sequence[Method]) -> Table:
  return _table(
    "Last held-out loss, lower is better: mean and 95 % interval over seeds",
    methods,
    _keys(methods[0].runs[0].task_names),
    lambda run, key: run.last(key),
    best=min,
  )


def _tests(methods: Sequence[Method]) -> list:
  """Methods against the first one, over equal seeds."""
  first, *others = methods
  keys = _keys(first.runs[0].task_names)
  tests = []
  for other in others:
    ours, theirs = (
      {str(run.manifest.get("seed")): run for run in method.runs}
      for method in (other, first)
    )
    common = [seed for seed in theirs if seed in ours]
    for name, key in keys:
      differences = np.array(
        [ours[seed].last(key) - theirs[seed].last(key) for seed in common]
      )
      differences = differences[np.isfinite(differences)]
      tests.append(pairs.test_of(other.name, name, differences, len(common)))
  if not tests:
    return []
  tests = pairs.corrected(tests)
  return [
    pairs.findings(first.name, tests),
    pairs.table(first.name, tests),
    "Losses: lower is better. p is of the two-sided paired t-test over seeds, "
    "with Holm's correction for all tests of this table. A p above 0.05 is no "
    "proof that methods are equal.",
  ]


def _weights(methods: Sequence[Method]) -> Table:
  tasks = methods[0].runs[0].task_names
  return _table(
    "Task weights, mean over training",
    methods,
    [(task, f"train/weight/{task}") for task in tasks],
    lambda run, key: finite_mean(run.series(key)[1]),
  )


def _table(
  title: str,
  methods: Sequence[Method],
  keys: Sequence[tuple[str, str]],
  value: Callable[[Run, str], float],
  best: Callable | None = None,
) -> Table:
  rows, marks = [], []
  for name, key in keys:
    row, means = [name], []
    for method in methods:
      values = np.array([value(run, key) for run in method.runs])
      means.append(round(float(values.mean()), 3))
      row.append(statistics.estimate(values, range(len(values))).as_text())
    rows.append(row)
    finite = [mean for mean in means if math.isfinite(mean)]
    marks.append(
      {c for c, mean in enumerate(means, 1) if mean == best(finite)}
      if best and len(set(finite)) > 1
      else set()
    )
  return Table(title, ["task", *(m.name for m in methods)], rows, marks)
