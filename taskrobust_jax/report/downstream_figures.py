"""Pictures of fine-tuned models: average against worst, each task."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from taskrobust_jax.report import statistics
from taskrobust_jax.report.figures import (
  end_axes,
  new_figure,
  places_apart,
)
from taskrobust_jax.report.study import Study
from taskrobust_jax.report.summary import MethodSummary


def average_against_worst(
  study: Study, summaries: Sequence[MethodSummary], colours: Mapping[str, Any]
):
  """Every method as a point: mean of tasks, worst task, normalised if it can.

  The random initialisation, far from all others, is left out.

  Args:
    study: It.
    summaries: Of its methods.
    colours: Of methods, by name.

  Returns:
    A figure.
  """
  figure = new_figure(8.5, 4.8)
  axes = figure.subplots()
  is_normalised = bool(study.can_normalise.any())
  shown = [
    (scores, summary)
    for scores, summary in zip(study.scores, summaries, strict=True)
    if not scores.method.is_random
  ] or list(zip(study.scores, summaries, strict=True))
  points = []
  for scores, summary in shown:
    x, y = summary.mean, summary.worst
    if is_normalised:
      y = summary.normalised_worst
    points.append([x.value, y.value])
    values, colour = scores.values, colours[scores.method.name]
    low = (study.normalised(values) if is_normalised else values).min(1)
    axes.plot(values.mean(1), low, "o", color=colour, ms=3, alpha=0.45)
    axes.plot([x.low, x.high], [y.value] * 2, color=colour, lw=1.2)
    axes.plot([x.value] * 2, [y.low, y.high], color=colour, lw=1.2)
    axes.plot([x.value], [y.value], "o", color=colour, ms=9)
  points = np.array(points)
  front = points[statistics.pareto_front(*points.T)]
  front = front[np.argsort(front[:, 0])]
  axes.plot(*front.T, color="#555555", lw=1, ls="--", zorder=0)
  axes.margins(0.08)
  # Names stand in a column at the right, in the order of their points.
  low, high = axes.get_ylim()
  places = places_apart(points[:, 1], 0.055 * (high - low))
  for place, (scores, _), point in zip(places, shown, points, strict=True):
    colour = colours[scores.method.name]
    axes.annotate(
      scores.method.name,
      xy=point,
      xycoords="data",
      xytext=(1.03, place),
      textcoords=axes.get_yaxis_transform(),
      color=colour,
      va="center",
      fontsize=9.5,
      annotation_clip=False,
      arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.5, "alpha": 0.5},
    )
  axes.set_ylim(low, high)
  what = "worst normalised task" if is_normalised else "worst task"
  end_axes(axes, "Average against worst", "mean score of tasks", what)
  axes.grid(color="#e6e6e6", lw=0.8)
  return figure


def scores_of_tasks(
  study: Study, summaries: Sequence[MethodSummary], colours: Mapping[str, Any]
):
  """A row a task, a point a method, with intervals."""
  count, num_methods = len(study.cells), len(study.scores)
  figure = new_figure(8.5, 1.2 + count * max(0.42, 0.11 * num_methods))
  axes = figure.subplots()
  offsets = np.linspace(-0.3, 0.3, num_methods) if num_methods > 1 else [0.0]
  for scores, summary, offset in zip(
    study.scores, summaries, offsets, strict=True
  ):
    colour = colours[scores.method.name]
    y = np.arange(count) + offset
    for place, estimate in zip(y, summary.cells, strict=True):
      axes.plot(
        [estimate.low, estimate.high], [place] * 2, color=colour, lw=1.5
      )
    axes.plot(
      [estimate.value for estimate in summary.cells],
      y,
      "X" if scores.method.is_random else "o",
      color=colour,
      ms=6,
      label=scores.method.name,
    )
  names = [
    f"{cell.name} ({score})"
    for cell, score in zip(study.cells, study.score_names, strict=True)
  ]
  axes.set_yticks(range(count), names)
  axes.set_ylim(count - 0.5, -0.5)
  axes.legend(
    loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9.5
  )
  end_axes(axes, "Score of each task", "score, higher is better", "")
  axes.grid(visible=False, axis="y")
  axes.grid(axis="x", color="#e6e6e6", lw=0.8)
  axes.tick_params(axis="y", length=0)
  return figure
