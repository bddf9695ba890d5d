"""The questions of the plan, each with a sentence and a picture, from lines."""

from collections.abc import Iterable, Mapping, Sequence
import math
import pathlib
from typing import NamedTuple

import numpy as np

from taskrobust_jax.report import (
  by_examples,
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
from taskrobust_jax.report.excess import Excess
from taskrobust_jax.report.page import Picture, Section, as_markdown
from taskrobust_jax.report.study import Study
from taskrobust_jax.study import grid, progress

_STEPS = (0.005, 0.02, 0.1, 0.5, 2.0)
_TEMPERATURES = (0.1, 0.3, 1.0, 3.0)
# (setting, purpose) -> method -> its excess; averaging is among the methods.
_Found = Mapping[tuple[str, str], Mapping[str, Excess]]


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
  found = _found(runs)
  told = _told_apart(scores)
  compared = _of_methods(found, grid.NOVELS, grid.COMPARISON)
  tuned = [
    *(_named("softmax_weighted", t, 0.3) for t in _TEMPERATURES),
    *(_named("mirror_ascent", s, 0.02) for s in _STEPS),
    *("mirror_ascent 0.5 unsmoothed", "optimistic 0.5"),
  ]
  texts = (grid.NOVELS, grid.TREEBANK, *grid.SPLITS, grid.SCENES)
  sizes = (grid.NOVELS, *grid.LENGTHS, grid.TINY, grid.MINI)
  made = [
    _ratios("How much of the worst upstream excess is removed?", compared),
    _downstream(found, told),
    _signals(found),
    _ratios(
      "Which temperature, which step size?",
      _of_methods(found, grid.NOVELS, grid.SCREEN, tuned),
    ),
    _by_rows(found),
    _ratios(
      "How many tasks, and which split of which text or pictures?",
      _of_settings(found, texts),
    ),
    _ratios("Larger models, fewer and more steps?", _of_settings(found, sizes)),
    *_by_examples(told),
    _cost(found),
    _forecast(found, probes),
  ]
  return [section for section in made if section is not None]


def _found(runs: Sequence[PreTraining]) -> _Found:
  found = {}
  for setting, purpose in dict.fromkeys((x.setting, x.purpose) for x in runs):
    purposes = (purpose, evidence.REFERENCE)
    _, made = excess.of_lines(
      [x for x in runs if x.setting == setting and x.purpose in purposes]
    )
    of_name = {x.method: x for x in made}
    if evidence.UNIFORM in of_name:
      found[setting, purpose] = of_name
  return found


def _of_methods(
  found: _Found,
  setting: grid.Setting,
  purpose: str,
  names: Iterable[str] | None = None,
) -> list[Row]:
  """Ratios to averaging, in the order of the names given."""
  of_name = found.get((setting.name, purpose), {})
  return [
    _row(_label(name), of_name[name], of_name[evidence.UNIFORM])
    for name in (of_name if names is None else names)
    if name in of_name and name != evidence.UNIFORM
  ]


def _of_settings(found: _Found, settings: Sequence[grid.Setting]) -> list[Row]:
  """Ratios of minimax and of fixed weights; none if one setting has them.

  Of a setting comparisons, and screens where there is none.
  """
  rows = []
  names = (grid.WINNER.name, grid.BY_ASCENT.name, grid.FROM_SMALL.name)
  for setting in settings:
    purposes = (grid.COMPARISON, grid.SCREEN)
    of_purpose = [_of_methods(found, setting, p, names) for p in purposes]
    rows.append(
      [
        row._replace(label=f"{setting.name}: {row.label}")
        for row in of_purpose[0] or of_purpose[1]
      ]
    )
  return sum(rows, []) if len([x for x in rows if x]) > 1 else []


def _row(label: str, ours: Excess, base: Excess) -> Row:
  seeds = set(ours.seeds) & set(base.seeds)
  return Row(label, excess.ratio(ours, base), len(seeds))


def _ratios(title: str, rows: Sequence[Row]) -> Section | None:
  """Ratios to averaging."""
  known = [row for row in rows if math.isfinite(row.value.value)]
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
  if len(known) < len(rows):
    names = "; ".join(row.label for row in rows if row not in known)
    text += f" Averaging has no excess, so that none has a ratio: {names}."
  return _section(
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
  return _section(
    title, text, evidence_figures.rows(rows, "worst excess, ratio of the two")
  )


def _signals(found: _Found) -> Section | None:
  """Signals against the excess on training batches, at equal step sizes."""
  of_name = found.get((grid.NOVELS.name, grid.SCREEN), {})
  rows = []
  for step in (0.02, 0.1, 0.5):
    base = _named("mirror_ascent", step, 0.02)
    rows += [
      _row(f"{signal}, step {step}", of_name[f"{base} {signal}"], of_name[base])
      for signal in ("raw", "relative", "held-out excess")
      if base in of_name and f"{base} {signal}" in of_name
    ]
  title = "Raw losses, losses by their start, or the excess?"
  return _pairs(title, "Other signals than the excess leave", rows)


def _by_rows(found: _Found) -> Section | None:
  """Rows that follow the weights, against losses times weights."""
  of_name = found.get((grid.NOVELS.name, grid.SCREEN), {})
  end = " by rows"
  rows = [
    _row(_label(name.removesuffix(end)), own, of_name[name.removesuffix(end)])
    for name, own in of_name.items()
    if name.endswith(end) and name.removesuffix(end) in of_name
  ]
  title = "Losses times weights, or rows that follow the weights?"
  return _pairs(title, "Rows that follow the weights leave", rows)


class _Key(NamedTuple):
  setting: str
  mode: str


def _told_apart(scores: Sequence[Downstream]) -> dict[_Key, Study]:
  """Of comparisons the cells that count."""
  groups: dict[_Key, list[Downstream]] = {}
  for line in scores:
    if line.purpose == grid.COMPARISON:
      groups.setdefault(_Key(line.setting, line.mode), []).append(line)
  told = {key: verdict.told_apart(lines) for key, lines in groups.items()}
  return {key: found[0] for key, found in told.items() if found is not None}


def _downstream(found: _Found, told: Mapping[_Key, Study]) -> Section | None:
  """Worst normalised and mean score, both against averaging's."""
  rows, means = [], []
  for key, study in told.items():
    of_name = found.get((key.setting, grid.COMPARISON), {})
    for method, own in of_name.items():
      judged = verdict.of_method(own, of_name[evidence.UNIFORM], study)
      if (
        method == evidence.UNIFORM
        or judged.worst is None
        or judged.mean is None
      ):
        continue
      label = f"{key.setting}, {key.mode}: {method}"
      rows.append(Row(label, judged.worst, judged.num_seeds))
      means.append(judged.mean)
  if not rows:
    return None
  gains = "; ".join(row.label for row in rows if row.value.low > 0) or "none"
  losses = "; ".join(row.label for row in rows if row.value.high < 0) or "none"
  text = (
    f"Of {len(rows)} comparisons the worst normalised score is higher with an "
    f"interval off zero in {gains}, lower in {losses}; the mean score changes "
    f"by {min(means):+.1%} to {max(means):+.1%}."
  )
  figure = evidence_figures.rows(
    rows, "worst normalised downstream score, less that of averaging", zero=0.0
  )
  title = "Does the worst downstream task gain, and what does the mean pay?"
  return _section(title, text, figure)


def _by_examples(told: Mapping[_Key, Study]) -> list[Section]:
  """Of each comparison with two numbers of examples or more."""
  made = []
  for key, study in told.items():
    gains = by_examples.gains_of(study)
    if gains is not None:
      figure = evidence_figures.gain_by_examples(gains)
      title = f"Fewer downstream examples: {key.setting}, {key.mode} encoder"
      made.append(_section(title, gains.sentence(), figure))
  return made


def _cost(found: _Found) -> Section | None:
  """Seconds a run, to those of averaging with the same seed."""
  rows = []
  for (setting, purpose), of_name in found.items():
    base = {x.seed: x.seconds for x in of_name[evidence.UNIFORM].lines}
    for method, own in of_name.items():
      ratios = {
        x.seed: x.seconds / base[x.seed]
        for x in own.lines
        if x.seconds and base.get(x.seed)
      }
      if ratios and purpose == grid.COMPARISON and method != evidence.UNIFORM:
        value = statistics.estimate(np.array([*ratios.values()]), [*ratios])
        rows.append(Row(f"{setting}: {method}", value, len(ratios)))
  if not rows:
    return None
  values = [row.value.value for row in rows]
  text = (
    "A run has the steps, rows and FLOPs of averaging and "
    f"{min(values):.2f} to {max(values):.2f} of its seconds, beside whatever "
    "else the machine did. But an excess needs references first, a run as "
    "long for each of the K tasks, and weights by ascent a run of ascent, of "
    "this model or of a smaller one."
  )
  figure = evidence_figures.rows(rows, "seconds of a run, to averaging's")
  return _section("What does it cost?", text, figure)


def _forecast(found: _Found, probes: Sequence[Probe]) -> Section | None:
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
  section = _section(title, forecast.told(pairs, grid.WINNER.name), figure)
  table = forecast.table(probes, pairs)
  return Section(title, [*section.blocks, table])


def _section(title: str, text: str, figure) -> Section:
  letters = "".join(c if c.isalnum() else "_" for c in title.lower())
  return Section(title, [text, Picture(figure, letters.strip("_"), title)])


def _named(method: str, value: float, usual: float) -> str:
  return method if value == usual else f"{method} {value}"


def _label(method: str) -> str:
  """The name, with the step size or temperature that goes without saying."""
  if not any(c.isdigit() for c in method):
    for name, usual in (("mirror_ascent", "0.02"), ("softmax_weighted", "0.3")):
      method = method.replace(name, f"{name} {usual}")
  return method


def _seeds(row: Row) -> str:
  return f"{row.num_seeds} seeds" if row.num_seeds > 1 else "one seed"
