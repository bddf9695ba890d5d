"""The questions of the plan, each with a sentence and a picture, from lines."""

from collections.abc import Mapping, Sequence
import math
import pathlib

import numpy as np

from taskrobust_jax.report import (
  evidence,
  evidence_figures,
  evidence_page,
  excess,
  forecast,
  statistics,
  verdict,
)
from taskrobust_jax.report.evidence import Downstream, PreTraining, Probe
from taskrobust_jax.report.evidence_figures import Row
from taskrobust_jax.report.page import Picture, Section, answer, as_markdown
from taskrobust_jax.report.statistics import Estimate
from taskrobust_jax.study import downstream, grid, progress, ratios

_STEPS = (0.005, 0.02, 0.1, 0.5, 2.0)
_TEMPERATURES = (0.1, 0.3, 1.0, 3.0)


def as_text(folder: pathlib.Path) -> str:
  """What tables.md holds: answers, tables, what was not run; no pictures."""
  runs = evidence.read(folder / evidence_page.RUNS, PreTraining)
  scores = evidence.read(folder / evidence_page.SCORES, Downstream)
  return as_markdown(
    "The study: what was run, and what came of it",
    [
      Section(x.title, [b for b in x.blocks if not isinstance(b, Picture)])
      for x in [*sections(folder), *evidence_page.sections(folder)]
    ]
    + [Section("Not yet run", [progress.missing(runs, scores)])],
  )


def sections(folder: pathlib.Path) -> list[Section]:
  """A section for each question that the lines of a folder say something of.

  Args:
    folder: See `evidence_page.sections`.
  """
  runs = evidence.read(folder / evidence_page.RUNS, PreTraining)
  scores = evidence.read(folder / evidence_page.SCORES, Downstream)
  probes = evidence.read(folder / evidence_page.PROBES, Probe)
  found = ratios.of_lines(runs)
  told = downstream.told_apart(scores)
  compared = [
    row._replace(label=f"{setting.name}: {row.label}")
    for setting in (grid.NOVELS, grid.FINE_TUNED)
    for row in ratios.of_methods(found, setting, grid.COMPARISON)
  ]
  tuned = [
    *(ratios.named("softmax_weighted", t, 0.3) for t in _TEMPERATURES),
    *(ratios.named("mirror_ascent", s, 0.02) for s in _STEPS),
    *(method.name for method in grid.SCHEDULES),
    *("mirror_ascent 0.5 unsmoothed", "optimistic 0.5"),
  ]
  texts = (grid.NOVELS, grid.TREEBANK, *grid.SPLITS, grid.SCENES)
  sizes = (grid.NOVELS, *grid.LENGTHS, grid.TINY, grid.TINY_SLOWER, grid.MINI)
  made = [
    _ratios("How much of the worst upstream excess is removed?", compared),
    downstream.worst_and_mean(found, told),
    _signals(found),
    _ratios(
      "Which temperature, which step size?",
      ratios.of_methods(found, grid.NOVELS, grid.SCREEN, tuned),
    ),
    _pairs(
      "Losses times weights, or rows that follow the weights?",
      "Rows that follow the weights leave",
      ratios.of_variants(found, grid.NOVELS, grid.SCREEN, " by rows"),
    ),
    _pairs(
      "The last params, or their mean?",
      "The mean of some 300 steps' params leaves",
      ratios.of_variants(found, grid.FINE_TUNED, grid.COMPARISON, " averaged"),
    ),
    _rates(runs),
    _raw_losses(
      "How many tasks, by word frequency?",
      runs,
      grid.SCREEN,
      dict(zip(("K = 4", "K = 8", "K = 16"), grid.QUANTILES, strict=True)),
    ),
    _ratios(
      "Which split of which text or pictures?",
      ratios.of_settings(found, texts),
    ),
    _ratios(
      "Larger models, fewer and more steps?", ratios.of_settings(found, sizes)
    ),
    _raw_losses(
      "Larger models, by raw losses",
      runs,
      grid.COMPARISON,
      {
        "2 x 64": grid.NOVELS,
        "2 x 64, last seeds": grid.FINE_TUNED,
        "2 x 128": grid.TINY_SLOWER,
        "4 x 256": grid.MINI,
      },
    ),
    *downstream.of_examples(told),
    _cost(found),
    _forecast(found, probes),
  ]
  return [section for section in made if section is not None]


def _ratios(title: str, rows: Sequence[Row]) -> Section | None:
  """Ratios to averaging."""
  # Of a small excess nothing may be left: such a ratio says little.
  gone = [row for row in rows if row.value.value <= 0]
  known = [row for row in rows if row.value.value > 0]
  if not known:
    return None
  best = min(known, key=lambda row: row.value.value)
  below = [row for row in known if row.value.value < 1]
  sure = [row for row in below if row.value.high < 1]
  text = (
    f"{len(below)} of {len(known)} leave less of the worst excess than "
    f"averaging does, {len(sure)} of them with an interval under 1; the lowest "
    f"ratio is {best.value.as_text()}, of {best.label} ({_seeds(best)})."
  )
  if gone:
    names = "; ".join(row.label for row in gone)
    text += f" Nothing is left of averaging's small excess: {names}."
  if len(known) + len(gone) < len(rows):
    names = "; ".join(row.label for row in rows if math.isnan(row.value.value))
    text += f" Averaging has no excess, so that none has a ratio: {names}."
  return answer(
    title,
    text,
    evidence_figures.rows(
      known,
      "worst upstream excess, ratio to averaging",
      verdict.LARGEST_RATIO,
    ),
  )


def _pairs(title: str, what: str, rows: Sequence[Row]) -> Section | None:
  """Ratios of one way to another one: above 1 the other one is better."""
  if not rows:
    return None
  worse = [row for row in rows if row.value.value > 1]
  text = (
    f"{what} more of the worst excess in {len(worse)} of {len(rows)} pairs: "
    + "; ".join(f"{row.label} {row.value.as_text()}" for row in rows)
    + "."
  )
  return answer(
    title, text, evidence_figures.rows(rows, "worst excess, ratio of the two")
  )


def _signals(found: ratios.Found) -> Section | None:
  """Signals against the excess on training batches, at equal step sizes."""
  of_name = found.get((grid.NOVELS.name, grid.SCREEN), {})
  rows = []
  for step in (0.02, 0.1, 0.5):
    base = ratios.named("mirror_ascent", step, 0.02)
    rows += [
      ratios.row(
        f"{signal}, step {step}", of_name[f"{base} {signal}"], of_name[base]
      )
      for signal in ("raw", "relative", "held-out excess")
      if base in of_name and f"{base} {signal}" in of_name
    ]
  title = "Raw losses, losses by their start, or the excess?"
  return _pairs(title, "Other signals than the excess leave", rows)


def _rates(runs: Sequence[PreTraining]) -> Section | None:
  """Pilots, less the one at the config's rate."""
  means = {
    (x.setting, x.method): np.mean([*x.screen.values()])
    for x in runs
    if x.purpose == grid.PILOT
  }
  rows = []
  for (setting, method), base in means.items():
    for rate in grid.RATES:
      name = f"{method} at {rate:g}"
      if (setting, name) in means:
        more = Estimate(means[setting, name] - base, math.nan, math.nan)
        rows.append(Row(f"{setting}: {name}", more, 1))
  if not rows:
    return None
  text = (
    "Mean held-out loss on the rows that screen, less that at the rate of the "
    "config, .003 (nats, one seed): "
    + "; ".join(f"{row.label} {row.value.value:+.3f}" for row in rows)
    + "."
  )
  label = "mean held-out loss, less that at the rate of the config"
  figure = evidence_figures.rows(rows, label, zero=0.0)
  return answer("Which learning rate?", text, figure)


def _raw_losses(
  title: str,
  runs: Sequence[PreTraining],
  purpose: str,
  settings: Mapping[str, grid.Setting],
) -> Section | None:
  """What raw ascent changes, where references are not run; none of one setting.

  Each setting by its own tasks: a model that was trained with few kinds of
  words hidden is none for many.
  """
  which = excess.rows_of(purpose)
  rows, means = [], []
  for label, setting in settings.items():
    averaged, ours = (
      {
        x.seed: [*getattr(x, which).values()]
        for x in runs
        if (x.setting, x.purpose, x.method)
        == (setting.name, purpose, method.name)
      }
      for method in (grid.AVERAGING, grid.RAW)
    )
    seeds = sorted(averaged.keys() & ours.keys())
    if not seeds:
      continue
    worst, mean = (
      statistics.estimate(
        np.array([of(ours[seed]) - of(averaged[seed]) for seed in seeds]), seeds
      )
      for of in (np.max, np.mean)
    )
    rows.append(Row(label, worst, len(seeds)))
    means.append(f"{label} {worst.as_text('+')} (mean {mean.as_text('+')})")
  if len(rows) < 2:
    return None
  judge = "screen" if which == "screen" else "judge"
  text = (
    "Mirror ascent on raw losses changes the worst held-out loss on the rows "
    f"that {judge} by (nats, that of averaging taken off): {'; '.join(means)}."
  )
  figure = evidence_figures.rows(
    rows, "worst held-out loss, less averaging's", zero=0.0
  )
  return answer(title, text, figure)


def _cost(found: ratios.Found) -> Section | None:
  """Seconds a run, to those of averaging with the same seed."""
  rows = []
  for (setting, purpose), of_name in found.items():
    base = {x.seed: x.seconds for x in of_name[evidence.UNIFORM].lines}
    for method, own in of_name.items():
      slower = {
        x.seed: x.seconds / base[x.seed]
        for x in own.lines
        if x.seconds and base.get(x.seed)
      }
      if slower and purpose == grid.COMPARISON and method != evidence.UNIFORM:
        value = statistics.estimate(np.array([*slower.values()]), [*slower])
        rows.append(Row(f"{setting}: {method}", value, len(slower)))
  if not rows:
    return None
  values = [row.value.value for row in rows]
  text = (
    "A run has the steps, rows and FLOPs of averaging and "
    f"{min(values):.2f} to {max(values):.2f} of its seconds, beside whatever "
    "else the machines did, which were not always the same. But an excess "
    "needs references first, a run as long for each of the K tasks, and "
    "weights by ascent a run of ascent, of this model or of a smaller one."
  )
  figure = evidence_figures.rows(rows, "seconds of a run, to averaging's")
  return answer("What does it cost?", text, figure)


def _forecast(found: ratios.Found, probes: Sequence[Probe]) -> Section | None:
  """Each method of a setting counts once, by its comparison if it has one."""
  gains: dict[str, dict[str, float]] = {}
  for purpose in (grid.SCREEN, grid.COMPARISON):
    for (setting, own), of_name in found.items():
      if own == purpose:
        new = forecast.gains([*of_name.values()], of_name[evidence.UNIFORM])
        gains.setdefault(setting, {}).update(new)
  if not probes:
    return None
  pairs = forecast.pairs(probes, {k: [*v.items()] for k, v in gains.items()})
  title = "Can it be told before training whether minimax will help?"
  if not pairs:
    return Section(title, [forecast.table(probes, pairs)])
  figure = evidence_figures.forecasts(pairs)
  section = answer(title, forecast.told(pairs), figure)
  table = forecast.table(probes, pairs)
  return Section(title, [*section.blocks, table])


def _seeds(row: Row) -> str:
  return f"{row.num_seeds} seeds" if row.num_seeds > 1 else "one seed"
