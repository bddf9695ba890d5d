"""The questions of the plan, each with a sentence and a picture, from lines."""

from collections.abc import Iterable, Sequence
import pathlib
from typing import NamedTuple

import numpy as np

from taskrobust_jax.report import (
  by_examples,
  evidence,
  evidence_figures,
  evidence_page,
  excess,
  statistics,
  verdict,
)
from taskrobust_jax.report.evidence import Downstream, PreTraining
from taskrobust_jax.report.evidence_figures import Row
from taskrobust_jax.report.excess import Excess
from taskrobust_jax.report.page import Picture, Section, as_markdown
from taskrobust_jax.report.study import Study
from taskrobust_jax.study import grid

_RATIO = "worst upstream excess, ratio to averaging"
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
    + [Section("Not yet run", [grid.missing(runs, scores)])],
  )


def sections(folder: pathlib.Path) -> list[Section]:
  """A section for each question that the lines of a folder say something of.

  Args:
    folder: See `evidence_page.sections`.
  """
  runs = evidence.read(folder / evidence_page.RUNS, PreTraining)
  scores = evidence.read(folder / evidence_page.SCORES, Downstream)
  found = _found(runs)
  asked = (
    (
      "How much of the worst upstream excess is removed?",
      "removed",
      _of_methods(found, grid.NOVELS, grid.COMPARISON),
    ),
    (
      "Raw losses or the excess?",
      "signal",
      _of_methods(
        found,
        grid.NOVELS,
        grid.SCREEN,
        [
          " ".join(filter(None, ("mirror_ascent", step, signal)))
          for step in ("", "0.1", "0.5")
          for signal in ("", "held-out excess", "relative", "raw")
        ],
      ),
    ),
    (
      "Which temperature, which step size?",
      "temperature",
      _of_methods(
        found,
        grid.NOVELS,
        grid.SCREEN,
        [
          *(_named("softmax_weighted", t, 0.3) for t in _TEMPERATURES),
          *(_named("mirror_ascent", s, 0.02) for s in _STEPS),
          *("mirror_ascent 0.5 unsmoothed", "optimistic 0.5"),
        ],
      ),
    ),
    (
      "Losses times weights, or rows that follow the weights?",
      "rows",
      _of_methods(
        found,
        grid.NOVELS,
        grid.SCREEN,
        [
          name.removesuffix(end)
          for name in found.get((grid.NOVELS.name, grid.SCREEN), ())
          if name.endswith(" by rows")
          for end in (" by rows", "")
        ],
      ),
    ),
    (
      "How many tasks, and which split of which text or pictures?",
      "splits",
      _of_settings(
        found, (grid.NOVELS, grid.TREEBANK, *grid.SPLITS, grid.SCENES)
      ),
    ),
    (
      "Larger models, fewer and more steps?",
      "size",
      _of_settings(found, (grid.NOVELS, *grid.LENGTHS, grid.TINY, grid.MINI)),
    ),
  )
  made = []
  for title, name, rows in asked:
    if rows:
      figure = evidence_figures.rows(rows, _RATIO, verdict.LARGEST_RATIO)
      made.append(_section(title, name, _of_ratios(rows), figure))
  downstream = _downstream(found, scores)
  if downstream:
    figure = evidence_figures.rows(
      [row for row, _ in downstream],
      "worst normalised downstream score, less that of averaging",
      zero=0.0,
    )
    text = _of_downstream(downstream)
    title = "Does the worst downstream task gain, and what does the mean pay?"
    made.insert(1, _section(title, "downstream", text, figure))
  made += _by_examples(scores)
  costs = _costs(found)
  if costs:
    figure = evidence_figures.rows(costs, "seconds of a run, to averaging's")
    values = [row.value.value for row in costs]
    text = (
      "Steps, rows and FLOPs are those of averaging; the seconds are "
      f"{min(values):.2f} to {max(values):.2f} of them, beside whatever else "
      "the machine did at the time."
    )
    made.append(_section("What does it cost?", "cost", text, figure))
  return made


def _found(
  runs: Sequence[PreTraining],
) -> dict[tuple[str, str], dict[str, Excess]]:
  """(setting, purpose) -> method -> its excess, where averaging has one."""
  found = {}
  keys = dict.fromkeys((x.setting, x.purpose) for x in runs)
  for setting, purpose in keys:
    purposes = (purpose, evidence.REFERENCE)
    _, made = excess.of_lines(
      [x for x in runs if x.setting == setting and x.purpose in purposes]
    )
    of_name = {x.method: x for x in made}
    if evidence.UNIFORM in of_name:
      found[setting, purpose] = of_name
  return found


def _of_methods(
  found, setting: grid.Setting, purpose: str, names: Iterable[str] | None = None
) -> list[Row]:
  """Ratios of methods of one setting, in the order of their names given."""
  of_name = found.get((setting.name, purpose), {})
  base = of_name.get(evidence.UNIFORM)
  names = of_name if names is None else dict.fromkeys(names)
  return [
    _row(_label(name), of_name[name], base)
    for name in names
    if name in of_name and name != evidence.UNIFORM
  ]


def _of_settings(found, settings: Sequence[grid.Setting]) -> list[Row]:
  """Ratios of minimax and of fixed weights; comparisons where there are any."""
  rows = []
  names = (grid.WINNER.name, grid.BY_ASCENT.name, grid.FROM_SMALL.name)
  for setting in settings:
    for purpose in (grid.COMPARISON, grid.SCREEN):
      made = _of_methods(found, setting, purpose, names)
      rows += [r._replace(label=f"{setting.name}: {r.label}") for r in made]
      if made:
        break
  return rows


def _row(label: str, ours: Excess, base: Excess) -> Row:
  seeds = set(ours.seeds) & set(base.seeds)
  return Row(label, excess.ratio(ours, base), len(seeds))


def _of_ratios(rows: Sequence[Row]) -> str:
  best = min(rows, key=lambda row: row.value.value)
  below = [row for row in rows if row.value.value < 1]
  sure = [row for row in below if row.value.high < 1]
  return (
    f"{len(below)} of {len(rows)} leave less of the worst excess than "
    f"averaging does, {len(sure)} of them with an interval under 1; the lowest "
    f"ratio is {best.value.as_text()}, of {best.label} ({_seeds(best)})."
  )


def _by_examples(scores: Sequence[Downstream]) -> list[Section]:
  """Of each comparison with two numbers of examples or more."""
  made = []
  for key, told in _told_apart(scores).items():
    gains = by_examples.gains_of(told)
    if key.purpose == grid.COMPARISON and gains is not None:
      figure = evidence_figures.gain_by_examples(gains)
      title = f"Fewer downstream examples: {key.setting}, {key.mode} encoder"
      name = f"examples_{key.setting}_{key.mode}".replace(" ", "_")
      made.append(_section(title, name, gains.sentence(), figure))
  return made


class _Key(NamedTuple):
  setting: str
  purpose: str
  mode: str


def _told_apart(scores: Sequence[Downstream]) -> dict[_Key, Study]:
  """Of each setting, purpose and mode the cells that count."""
  groups: dict[_Key, list[Downstream]] = {}
  for line in scores:
    key = _Key(line.setting, line.purpose, line.mode)
    groups.setdefault(key, []).append(line)
  told = {key: verdict.told_apart(lines) for key, lines in groups.items()}
  return {key: found[0] for key, found in told.items() if found is not None}


def _downstream(found, scores: Sequence[Downstream]) -> list[tuple[Row, float]]:
  """(worst normalised score, mean score), both against averaging's."""
  made = []
  for key, told in _told_apart(scores).items():
    of_name = found.get((key.setting, key.purpose), {})
    for method, own in of_name.items():
      base = of_name[evidence.UNIFORM]
      judged = verdict.of_method(own, base, told, key.mode)
      if own is base or judged.worst is None or judged.mean is None:
        continue
      label = f"{key.setting}, {key.mode}: {method}"
      made.append((Row(label, judged.worst, judged.num_seeds), judged.mean))
  return made


def _of_downstream(rows: Sequence[tuple[Row, float]]) -> str:
  gains = [row.label for row, _ in rows if row.value.low > 0]
  losses = [row.label for row, _ in rows if row.value.high < 0]
  means = [mean for _, mean in rows]
  return (
    f"Of {len(rows)} comparisons the worst normalised score is higher with an "
    f"interval off zero in {_listed(gains)}, lower in {_listed(losses)}; the "
    f"mean score changes by {min(means):+.1%} to {max(means):+.1%}."
  )


def _costs(found) -> list[Row]:
  """Seconds a run, to those of averaging with the same seed."""
  made = []
  for (setting, purpose), of_name in found.items():
    if purpose != grid.COMPARISON:
      continue
    base = {x.seed: x.seconds for x in of_name[evidence.UNIFORM].lines}
    for method, own in of_name.items():
      ratios = {
        x.seed: x.seconds / base[x.seed]
        for x in own.lines
        if x.seconds and base.get(x.seed) and method != evidence.UNIFORM
      }
      if ratios:
        value = statistics.estimate(np.array([*ratios.values()]), [*ratios])
        made.append(Row(f"{setting}: {method}", value, len(ratios)))
  return made


def _section(title: str, name: str, text: str, figure) -> Section:
  return Section(title, [text, Picture(figure, f"answer_{name}", title)])


def _label(method: str) -> str:
  """The name, with the step size or temperature that goes without saying."""
  if not any(c.isdigit() for c in method):
    for name, usual in (("mirror_ascent", "0.02"), ("softmax_weighted", "0.3")):
      method = method.replace(name, f"{name} {usual}")
  return method


def _named(method: str, value: float, usual: float) -> str:
  return method if value == usual else f"{method} {value}"


def _seeds(row: Row) -> str:
  return f"{row.num_seeds} seeds" if row.num_seeds > 1 else "one seed"


def _listed(labels: Sequence[str]) -> str:
  return "; ".join(labels) or "none"
