"""The excess that a study's lines tell, and ratios of it to averaging's."""

from collections.abc import Iterable, Mapping, Sequence

from taskrobust_jax.report import evidence, excess
from taskrobust_jax.report.evidence import PreTraining
from taskrobust_jax.report.evidence_figures import Row
from taskrobust_jax.report.excess import Excess
from taskrobust_jax.study import grid

# (setting, purpose) -> method -> its excess; averaging is among the methods.
Found = Mapping[tuple[str, str], Mapping[str, Excess]]


def of_lines(runs: Sequence[PreTraining]) -> Found:
  """Of each setting and purpose that has averaging and references."""
  found = {}
  for setting, purpose in dict.fromkeys((x.setting, x.purpose) for x in runs):
    purposes = (purpose, evidence.REFERENCE)
    _, made = excess.of_lines(
      [x for x in runs if x.setting == setting and x.purpose in purposes],
      excess.rows_of(purpose),
    )
    of_name = {x.method: x for x in made}
    if evidence.UNIFORM in of_name:
      found[setting, purpose] = of_name
  return found


def of_methods(
  found: Found,
  setting: grid.Setting,
  purpose: str,
  names: Iterable[str] | None = None,
) -> list[Row]:
  """Ratios to averaging, in the order of the names given."""
  of_name = found.get((setting.name, purpose), {})
  return [
    row(label(name), of_name[name], of_name[evidence.UNIFORM])
    for name in (of_name if names is None else names)
    if name in of_name and name != evidence.UNIFORM
  ]


def of_variants(
  found: Found, setting: grid.Setting, purpose: str, end: str
) -> list[Row]:
  """Ratios of methods whose names have an end to those without it."""
  of_name = found.get((setting.name, purpose), {})
  return [
    row(label(base), own, of_name[base])
    for name, own in of_name.items()
    if (base := name.removesuffix(end)) != name and base in of_name
  ]


def of_settings(found: Found, settings: Sequence[grid.Setting]) -> list[Row]:
  """Ratios of minimax and of fixed weights; none if one setting has them.

  Of a setting comparisons, and screens where there is none.
  """
  rows = []
  methods = (
    *(grid.WINNER, grid.RAW),
    *(grid.BY_EXCESS, grid.BY_ASCENT, grid.FROM_SMALL),
  )
  names = [method.name for method in methods]
  for setting in settings:
    purposes = (grid.COMPARISON, grid.SCREEN)
    of_purpose = [of_methods(found, setting, p, names) for p in purposes]
    rows.append(
      [
        x._replace(label=f"{setting.name}: {x.label}")
        for x in of_purpose[0] or of_purpose[1]
      ]
    )
  return sum(rows, []) if len([x for x in rows if x]) > 1 else []


def row(label: str, ours: Excess, base: Excess) -> Row:
  """The ratio over the seeds of both."""
  seeds = set(ours.seeds) & set(base.seeds)
  return Row(label, excess.ratio(ours, base), len(seeds))


def named(method: str, value: float, usual: float) -> str:
  """A method's name in the grid, where it says no value that is usual."""
  return method if value == usual else f"{method} {value}"


def label(method: str) -> str:
  """The name, with the step size or temperature that goes without saying."""
  if not any(c.isdigit() for c in method):
    for name, usual in (("mirror_ascent", "0.02"), ("softmax_weighted", "0.3")):
      method = method.replace(name, f"{name} {usual}")
  return method
