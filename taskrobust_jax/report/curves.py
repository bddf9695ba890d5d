"""One picture of many runs: a panel a task, a line a method."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from taskrobust_jax.report.figures import end_axes, new_figure
from taskrobust_jax.report.methods import Method

_COLUMNS = 5


def figure_of_methods(methods: Sequence[Method], colours: Mapping[str, Any]):
  """Held-out losses of each task and of the worst one, then task weights.

  Args:
    methods: Of runs of the same tasks. A line is the mean over a method's
      runs, a band reaches from the lowest to the highest.
    colours: Of methods, by name.

  Returns:
    A Matplotlib figure.
  """
  tasks = methods[0].runs[0].task_names
  losses = [(f"eval/loss/{task}", task) for task in tasks]
  losses.append(("eval/worst_task_loss", "worst task"))
  weights = [(f"train/weight/{task}", f"{task}: weight") for task in tasks]
  columns = min(len(losses), _COLUMNS)
  rows = [
    panels[i : i + columns]
    for panels in (losses, weights)
    for i in range(0, len(panels), columns)
  ]
  figure = new_figure(2.6 * columns, 0.5 + 2.3 * len(rows))
  grid = figure.subplots(len(rows), columns, squeeze=False)
  for line, panels in zip(grid, rows, strict=True):
    for axes in line[len(panels) :]:
      axes.set_axis_off()
    for axes, (key, title) in zip(line, panels, strict=False):
      for method in methods:
        _draw(axes, method, key, colours[method.name])
      axes.margins(x=0.01)
      is_loss = key.startswith("eval/")
      if not is_loss:
        axes.set_ylim(bottom=0)
      end_axes(axes, title, "step", "held-out loss" if is_loss else "weight")
  handles, names = figure.axes[0].get_legend_handles_labels()
  figure.legend(
    handles,
    names,
    loc="outside lower center",
    ncols=min(len(names), 4) or 1,
    frameon=False,
  )
  return figure


def _draw(axes, method: Method, key: str, colour) -> None:
  steps, values = _aligned([run.series(key) for run in method.runs])
  if not steps.size:
    return
  axes.plot(steps, values.mean(0), color=colour, lw=1.5, label=method.name)
  if len(values) > 1:
    low, high = values.min(0), values.max(0)
    axes.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)


def _aligned(series) -> tuple[np.ndarray, np.ndarray]:
  """(steps [S], values [R, S]) at the steps that all runs logged."""
  steps = series[0][0]
  for other, _ in series[1:]:
    steps = np.intersect1d(steps, other)
  values = [v[np.searchsorted(s, steps)] for s, v in series]
  return steps, np.stack(values)
