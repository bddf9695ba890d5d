"""Answers about downstream tasks, from the lines of scores; see `answers`."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from taskrobust_jax.report import (
  by_examples,
  evidence,
  evidence_figures,
  verdict,
)
from taskrobust_jax.report.evidence import Downstream
from taskrobust_jax.report.evidence_figures import Row
from taskrobust_jax.report.page import Section, answer
from taskrobust_jax.report.study import Study
from taskrobust_jax.study import grid, ratios


class Key(NamedTuple):
  """What scores must share to be compared."""

  setting: str
  mode: str


def told_apart(scores: Sequence[Downstream]) -> dict[Key, Study]:
  """Of comparisons the cells that count."""
  groups: dict[Key, list[Downstream]] = {}
  for line in scores:
    if line.purpose == grid.COMPARISON:
      groups.setdefault(Key(line.setting, line.mode), []).append(line)
  told = {key: verdict.told_apart(lines) for key, lines in groups.items()}
  return {key: found[0] for key, found in told.items() if found is not None}


def worst_and_mean(
  found: ratios.Found, told: Mapping[Key, Study]
) -> Section | None:
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
      means.append(judged.mean.value)
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
    rows, "worst normalised score, less averaging's", zero=0.0
  )
  title = "Does the worst downstream task gain, and what does the mean pay?"
  return answer(title, text, figure)


def of_examples(told: Mapping[Key, Study]) -> list[Section]:
  """Of each comparison with two numbers of examples or more."""
  made = []
  for key, study in told.items():
    gains = by_examples.gains_of(study)
    if gains is not None:
      figure = evidence_figures.gain_by_examples(gains)
      title = f"Fewer downstream examples: {key.setting}, {key.mode} encoder"
      made.append(answer(title, gains.sentence(), figure))
  return made
