"""Pictures of a study: excess of tasks, gain against number of examples."""

from collections.abc import Sequence

import numpy as np

from taskrobust_jax.report import evidence, statistics
from taskrobust_jax.report.excess import Excess
from taskrobust_jax.report.figures import colours_of, end_axes, new_figure
from taskrobust_jax.report.study import Study


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


def gain_by_examples(study: Study):
  """A line a method: mean score less that of averaging, at each size.

  Returns:
    A figure; `None` with one size, or without averaging and another method.
  """
  sizes = sorted(
    {cell.num_examples for cell in study.cells},
    key=lambda n: n or float("inf"),
  )
  trained = [s for s in study.scores if not s.method.is_random]
  base = next((s for s in trained if s.method.name == evidence.UNIFORM), None)
  others = [s for s in trained if s is not base]
  if base is None or not others or len(sizes) < 2:
    return None
  figure = new_figure(6.5, 3.8)
  axes = figure.subplots()
  for other, colour in zip(others, colours_of(len(others)), strict=True):
    common = [r for r in other.replicates if r in base.replicates]
    if not common:
      continue
    ours, theirs = (
      s.values[[s.replicates.index(r) for r in common]] for s in (other, base)
    )
    columns = [
      (ours - theirs)[:, [c.num_examples == size for c in study.cells]].mean(1)
      for size in sizes
    ]
    values = np.stack(columns, axis=1)  # [R, sizes]
    axes.plot(values.mean(0), "o-", color=colour, label=other.method.name)
    if len(common) > 1:
      drawn = statistics.resampled_means(values, [r.pretrained for r in common])
      low, high = statistics.interval(drawn)
      axes.fill_between(
        range(len(sizes)), low, high, color=colour, alpha=0.15, lw=0
      )
  axes.axhline(0, color="#555555", lw=0.8)
  axes.set_xticks(range(len(sizes)), [str(n or "all") for n in sizes])
  axes.legend(frameon=False)
  end_axes(
    axes, "Gain over uniform", "labelled examples", "mean score, difference"
  )
  return figure
