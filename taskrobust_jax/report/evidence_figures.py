"""Pictures of a study: excess of tasks, ratios, gains, forecasts."""

from collections.abc import Sequence
import math
from typing import NamedTuple

import numpy as np

from taskrobust_jax.report.by_examples import Gains
from taskrobust_jax.report.excess import Excess
from taskrobust_jax.report.figures import colours_of, end_axes, new_figure
from taskrobust_jax.report.statistics import Estimate

# Beyond these a ratio is drawn at the edge, with its number.
_RATIOS = (0.4, 2.0)


class Row(NamedTuple):
  """A line of a picture: a number, its interval, and of how many seeds."""

  label: str
  value: Estimate
  num_seeds: int


def excess_of_methods(tasks: Sequence[str], found: Sequence[Excess]):
  """A group of bars a method: each task, mean over seeds; dots are seeds."""
  figure = new_figure(2.2 + 1.5 * len(found), 3.8)
  axes = figure.subplots()
  places = (np.arange(len(tasks)) - (len(tasks) - 1) / 2) * 0.8 / len(tasks)
  for task, place, colour in zip(
    range(len(tasks)), places, colours_of(len(tasks)), strict=True
  ):
    x = np.arange(len(found)) + place
    axes.bar(
      x,
      [e.values[:, task].mean() for e in found],
      width=0.75 / len(tasks),
      color=colour,
      label=tasks[task],
    )
    for at, e in zip(x, found, strict=True):
      axes.plot(
        [at] * len(e.values), e.values[:, task], "o", color="#333333", ms=2.5
      )
  axes.axhline(0, color="#555555", lw=0.8)
  axes.set_xticks(
    range(len(found)), [e.method.replace(" ", "\n") for e in found]
  )
  figure.legend(loc="outside lower center", ncols=len(tasks), frameon=False)
  end_axes(axes, "Excess over single-task references", "", "nats")
  return figure


def rows(
  found: Sequence[Row], xlabel: str, bar: float | None = None, zero: float = 1.0
):
  """A dot and an interval a row, from above; hollow where there is one seed.

  Args:
    found: One or more.
    xlabel: What the numbers are.
    bar: Where a second line is drawn: what the plan asks for.
    zero: Where nothing is gained: 1 of ratios, which are drawn on a logarithmic
      scale, 0 of differences.
  """
  figure = new_figure(8.5, 1.1 + 0.28 * len(found))
  axes = figure.subplots()
  low, high = _RATIOS if zero else (-math.inf, math.inf)
  for y, row in enumerate(found):
    value = row.value
    at = min(max(value.value, low), high)
    if not math.isnan(value.low):
      ends = [min(max(end, low), high) for end in (value.low, value.high)]
      axes.plot(ends, [y, y], color="#0072B2", lw=1.6)
    hollow = {"mfc": "white"} if row.num_seeds < 2 else {}
    axes.plot(at, y, "o", color="#0072B2", ms=6, **hollow)
    if at != value.value:
      text = f"{value.value:.2f} "
      axes.text(at, y - 0.2, text, ha="right", va="bottom", fontsize=8)
  axes.axvline(zero, color="#555555", lw=0.9)
  if bar is not None:
    axes.axvline(bar, color="#D55E00", lw=0.9, ls="--")
  if zero:
    axes.set_xscale("log")
    axes.set_xlim(low * 0.97, high * 1.03)
    ticks = (0.5, 0.75, 1.0, 1.5, 2.0)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
  axes.set_yticks(
    range(len(found)), [f"{r.label} ({r.num_seeds})" for r in found]
  )
  axes.set_ylim(len(found) - 0.4, -0.6)
  end_axes(axes, "", f"{xlabel} (brackets: seeds)", "")
  axes.grid(axis="x", color="#eeeeee", lw=0.8)
  return figure


def forecasts(pairs: Sequence[tuple[str, str, float, float]]):
  """Predicted against measured gains, a colour a setting.

  Args:
    pairs: (setting, method, predicted, measured).
  """
  figure = new_figure(6.5, 4.2)
  axes = figure.subplots()
  settings = list(dict.fromkeys(setting for setting, *_ in pairs))
  for setting, colour in zip(settings, colours_of(len(settings)), strict=True):
    points = np.array([x[2:] for x in pairs if x[0] == setting])
    axes.plot(
      points[:, 0],
      np.maximum(points[:, 1], -1),
      "o",
      color=colour,
      alpha=0.8,
      label=setting,
    )
  axes.axhline(0, color="#555555", lw=0.8)
  figure.legend(loc="outside lower center", ncols=3, frameon=False)
  end_axes(axes, "Forecast", "predicted", "measured gain (-1: or less)")
  return figure


def gain_by_examples(gains: Gains):
  """A line a method, with its interval, over the numbers of examples."""
  figure = new_figure(6.5, 4.2)
  axes = figure.subplots()
  places = range(len(gains.sizes))
  for (method, values), colour in zip(
    gains.of_method.items(), colours_of(len(gains.of_method)), strict=True
  ):
    value, low, high = zip(*values, strict=True)
    axes.plot(places, value, "o-", color=colour, label=method)
    axes.fill_between(places, low, high, color=colour, alpha=0.15, lw=0)
  axes.axhline(0, color="#555555", lw=0.8)
  axes.set_xticks(places, [str(n or "all") for n in gains.sizes])
  figure.legend(loc="outside lower center", ncols=3, frameon=False)
  end_axes(
    axes,
    f"Gain over averaging: {', '.join(gains.tasks)}",
    "labelled examples",
    "mean score, difference",
  )
  return figure
