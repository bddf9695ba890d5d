"""One picture of a few runs: task losses, the worst task, task weights."""

from collections.abc import Sequence
import pathlib

import numpy as np

from taskrobust_jax.report.read import Run

# Okabe and Ito's colours, told apart by colour-blind readers, without yellow
# and black: yellow is too light for a line, black is the worst task.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_BASELINE, _BETWEEN, _LAST = "--", (":", "-."), "-"
_GREY = "#777777"


def write_figure(runs: Sequence[Run], path: str | pathlib.Path) -> None:
  """Writes `figure_of_runs` as a PNG file."""
  figure_of_runs(runs).savefig(path)


def figure_of_runs(runs: Sequence[Run]):
  """A figure of three panels: task losses, worst loss, task weights.

  A colour is a task, a line style a run: the first (the baseline) is dashed,
  the last is solid.

  Args:
    runs: one or more runs of the same tasks.

  Returns:
    A Matplotlib figure.
  """
  task_names = runs[0].task_names
  colours = colours_of(len(task_names))
  styles = _run_styles(len(runs))
  figure = new_figure(14, 4.6)
  losses, worst, weights = figure.subplots(1, 3)

  labels = []
  for task, colour in zip(task_names, colours, strict=True):
    for run, style in zip(runs, styles, strict=True):
      _line(losses, run.series(f"eval/loss/{task}"), style, colour)
    labels.append((task, runs[-1].series(f"eval/loss/{task}"), colour))
  _label_ends(losses, labels)
  _finish(losses, "Held-out loss of each task", "loss, lower is better")

  labels = []
  for run, style in zip(runs, styles, strict=True):
    series = run.series("eval/worst_task_loss")
    _line(worst, series, style, "black")
    labels.append((run.name, series, "black"))
  _label_ends(worst, labels, show_value=True)
  _finish(worst, "Held-out loss of the worst task", "loss, lower is better")

  labels = []
  moving = [run for run in runs if not _is_constant(run)]
  for run, style in zip(runs, styles, strict=True):
    if run not in moving:
      continue
    for task, colour in zip(task_names, colours, strict=True):
      series = run.series(f"train/weight/{task}")
      _line(weights, series, style, colour, width=1.4, marker="")
      if run is moving[-1]:
        labels.append((task, series, colour))
  if moving:
    weights.axhline(1 / len(task_names), color="#aaaaaa", lw=1.2, zorder=0)
    weights.set_ylim(bottom=0)
    _label_ends(weights, labels)
    title = f"Task weights: {', '.join(run.name for run in moving)}"
  else:
    weights.set(xticks=[], yticks=[])
    weights.text(
      *(0.5, 0.5, "constant in every run"),
      transform=weights.transAxes,
      ha="center",
      color=_GREY,
    )
    title = "Task weights"
  _finish(weights, title, f"weight (grey line: 1/{len(task_names)})")

  if len(runs) > 1:
    handles = [
      losses.plot([], [], color=_GREY, ls=style, lw=1.8, label=run.name)[0]
      for run, style in zip(runs, styles, strict=True)
    ]
    figure.legend(
      handles=handles,
      loc="outside lower center",
      ncols=min(len(runs), 6),
      frameon=False,
      handlelength=3,
    )
  return figure


def new_figure(width: float, height: float):
  """An empty Matplotlib figure, in inches, without any global state."""
  from matplotlib.backends.backend_agg import FigureCanvasAgg
  from matplotlib.figure import Figure

  figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
  figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12, wspace=0.02)
  FigureCanvasAgg(figure)
  return figure


def colours_of(number: int) -> list:
  """Colours that are told apart, for so many tasks or methods."""
  if number <= len(_COLOURS):
    return list(_COLOURS[:number])
  import matplotlib

  # Many of them: an ordered, perceptually even scale, without its light end.
  scale = matplotlib.colormaps["viridis"]
  return [scale(x) for x in np.linspace(0, 0.9, number)]


def _run_styles(num_runs: int) -> list[str]:
  between = [_BETWEEN[i % len(_BETWEEN)] for i in range(num_runs - 2)]
  return [_BASELINE, *between, _LAST] if num_runs > 1 else [_LAST]


def _is_constant(run: Run) -> bool:
  """Whether no task weight moved while the run was logged."""
  series = [run.series(f"train/weight/{task}")[1] for task in run.task_names]
  values = [v[np.isfinite(v)] for v in series]
  return all(v.size == 0 or np.ptp(v) < 1e-6 for v in values)


def _line(axes, series, style, colour, width=1.8, marker=None) -> None:
  steps, values = series
  if marker is None:  # A few evaluations: show where they were made.
    marker = "o" if len(steps) <= 20 else ""
  axes.plot(
    *(steps, values), ls=style, color=colour, lw=width, marker=marker, ms=3
  )


def _label_ends(axes, labels, show_value=False) -> None:
  """Writes each (text, series, colour) at the right end of its line.

  Labels that would touch are moved apart, in the order of their lines.
  """
  ends = []
  for text, (_, values), colour in labels:
    finite = values[np.isfinite(values)]
    if finite.size:
      text = f"{text} {finite[-1]:.3f}" if show_value else text
      ends.append((float(finite[-1]), text, colour))
  if not ends:
    return
  ends.sort(key=lambda end: end[0])
  low, high = axes.get_ylim()
  places = places_apart([value for value, _, _ in ends], 0.05 * (high - low))
  for place, (_, text, colour) in zip(places, ends, strict=True):
    axes.annotate(
      *(text, (1.015, place)),
      xycoords=("axes fraction", "data"),
      color=colour,
      va="center",
      fontsize=9.5,
      annotation_clip=False,
    )
  axes.set_ylim(low, high)


def places_apart(values, gap: float) -> np.ndarray:
  """Places near values, at least a gap from each other, in the same order.

  Args:
    values: [n].
    gap: Between two of them.

  Returns:
    [n].
  """
  order = np.argsort(values, kind="stable")
  places = np.asarray(values, float)[order]
  for _ in range(100):  # Push each touching pair apart by half of its overlap.
    short = gap - np.diff(places)
    if np.all(short <= 1e-9 * gap):
      break
    push = np.maximum(short, 0) / 2
    places[:-1] -= push
    places[1:] += push
  result = np.empty_like(places)
  result[order] = places
  return result


def _finish(axes, title, ylabel) -> None:
  axes.margins(x=0.01)
  end_axes(axes, title, "step", ylabel)


def end_axes(axes, title: str, xlabel: str, ylabel: str) -> None:
  """Title, names and a light grid, the same in all pictures."""
  axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold")
  axes.set_xlabel(xlabel)
  axes.set_ylabel(ylabel)
  axes.spines[["top", "right"]].set_visible(False)
  axes.grid(axis="y", color="#e6e6e6", lw=0.8)
  axes.set_axisbelow(True)
