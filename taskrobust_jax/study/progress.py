"""How far the study is: whom its screens chose, what was not run yet."""

from collections.abc import Iterable, Sequence
import itertools

from taskrobust_jax.report import excess
from taskrobust_jax.report.evidence import (
  REFERENCE,
  UNIFORM,
  Downstream,
  PreTraining,
)
from taskrobust_jax.study import grid, stages


def finalists(runs: Iterable[PreTraining]) -> list[str]:
  """Two adaptive methods and a fixed one; none where nothing was screened.

  On the novels the lowest worst excess on the rows that screen, each against
  averaging on the seeds of both.
  """
  _, found = excess.of_lines(
    [
      line
      for line in runs
      if line.setting == grid.NOVELS.name
      and line.purpose in (grid.SCREEN, REFERENCE)
    ],
    rows="screen",
  )
  base = next((x for x in found if x.method == UNIFORM), None)
  names = []
  for methods, count in ((grid.ADAPTIVE + grid.SCREENS, 2), (grid.FIXED, 1)):
    known = [m.name for m in methods]
    chosen = [x for x in found if base is not None and x.method in known]
    chosen.sort(key=lambda x: excess.ratio(x, base).value)
    names += [x.method for x in chosen[:count]]
  return names


def missing(
  runs: Sequence[PreTraining], scores: Iterable[Downstream]
) -> list[str]:
  """What the plan has and lines have not: a text for each kind of runs."""
  trained = {(x.setting, x.purpose, x.method, x.seed) for x in runs}
  tuned = {
    (x.setting, x.purpose, x.method, x.pretrained, x.mode, x.num_examples)
    for x in scores
  }
  left: dict[str, dict[str, list[int]]] = {}
  has_references = {x.setting for x in runs if x.purpose == REFERENCE}
  without = {}  # A set in order.

  def add(what, method, seed):
    seeds = left.setdefault(what, {}).setdefault(method.name, [])
    if seed not in seeds:
      seeds.append(seed)

  for group in (*stages.stage_b(finalists(runs)), *stages.stage_a()):
    setting = group.setting
    what = f"{setting.name}, {group.purpose}"
    if setting.has_references and setting.name not in has_references:
      without[setting.name] = None
    for method, seed in itertools.product(group.methods, group.seeds):
      run = (setting.name, group.purpose, method.name, seed)
      if run not in trained:
        add(what, method, seed)
      for mode in group.modes:
        sizes = [
          f"{size:,}" if size else "all"
          for size in group.sizes
          if (*run, mode, size) not in tuned
        ]
        if sizes:
          examples = f"{' '.join(sizes)} examples"
          add(f"{what}, {mode} encoder, {examples}", method, seed)
  texts = [f"references: {', '.join(without)}"] if without else []
  return texts + [
    f"{what}: "
    + ", ".join(
      f"{method} (seed {', '.join(map(str, seeds))})"
      for method, seeds in of_method.items()
    )
    for what, of_method in left.items()
  ]
