"""What a study says: means, worst tasks, tests, what to mind."""

from collections.abc import Sequence
import dataclasses

import numpy as np

from taskrobust_jax.report import pairs, statistics
from taskrobust_jax.report.pairs import PairedTest
from taskrobust_jax.report.statistics import Estimate
from taskrobust_jax.report.study import Scores, Study


@dataclasses.dataclass(frozen=True)
class MethodSummary:
  """A method's numbers over replicates.

  Attributes:
    cells: [C] estimates of the mean score.
    mean: Of the mean over cells.
    worst: Of the min over cells of means.
    worst_cell: The index of that cell.
    worst_mean: Of the mean over replicates of the min over cells.
    normalised_worst: As `worst`, of normalised scores; `None` without them.
    normalised_worst_mean: As `worst_mean`, of these.
    spread: Highest minus lowest cell mean.
  """

  cells: list[Estimate]
  mean: Estimate
  worst: Estimate
  worst_cell: int
  worst_mean: Estimate
  normalised_worst: Estimate | None
  normalised_worst_mean: Estimate | None
  spread: float


def summarise(study: Study, scores: Scores) -> MethodSummary:
  """The numbers of one method."""
  values = scores.values
  parts = [values, values.mean(1, keepdims=True), values.min(1, keepdims=True)]
  has_normalised = study.can_normalise.any()
  if has_normalised:
    parts.append(study.normalised(values).min(1, keepdims=True))
  table = np.concatenate(parts, axis=1)
  means = table.mean(0)
  drawn = np.full((1, table.shape[1]), np.nan)
  if len(values) > 1:
    drawn = statistics.resampled_means(table, scores.groups)
  count = values.shape[1]

  def estimate(value, resampled):
    return Estimate(float(value), *map(float, statistics.interval(resampled)))

  columns = [estimate(*pair) for pair in zip(means, drawn.T, strict=True)]
  worst = estimate(means[:count].min(), drawn[:, :count].min(1))
  return MethodSummary(
    cells=columns[:count],
    mean=columns[count],
    worst=worst,
    worst_cell=int(means[:count].argmin()),
    worst_mean=columns[count + 1],
    normalised_worst=(
      estimate(
        study.normalised(means[:count]).min(),
        study.normalised(drawn[:, :count]).min(1),
      )
      if has_normalised
      else None
    ),
    normalised_worst_mean=columns[count + 2] if has_normalised else None,
    spread=float(np.ptp(means[:count])),
  )


def paired_tests(study: Study) -> list[PairedTest]:
  """Every method against the first one; random initialisations stand apart."""
  trained = [s for s in study.scores if not s.method.is_random]
  names = [*(cell.name for cell in study.cells), pairs.WORST, pairs.MEAN]
  tests = []
  for other in trained[1:]:
    common = [r for r in trained[0].replicates if r in other.replicates]
    ours, theirs = (
      _columns(s.values[[s.replicates.index(r) for r in common]])
      for s in (other, trained[0])
    )
    units = _of_groups(ours - theirs, [r.pretrained for r in common])
    tests += [
      pairs.test_of(other.method.name, name, differences, len(common))
      for name, differences in zip(names, units.T, strict=True)
    ]
  return pairs.corrected(tests)


def _of_groups(values: np.ndarray, groups: list) -> np.ndarray:
  """Means over the rows of each group; the rows if there is one group.

  Fine-tunings of one checkpoint are no independent samples of a method.
  """
  names = list(dict.fromkeys(groups))
  if len(names) < 2:
    return values
  groups = np.array([names.index(group) for group in groups])
  return np.stack([values[groups == g].mean(0) for g in range(len(names))])


def _columns(values: np.ndarray) -> np.ndarray:
  if not len(values):
    return np.zeros((0, values.shape[1] + 2))
  return np.concatenate(
    [values, values.min(1, keepdims=True), values.mean(1, keepdims=True)], 1
  )


def warnings(study: Study, summaries: Sequence[MethodSummary]) -> list[str]:
  """What makes a comparison weak or unfair; empty if nothing does."""
  lines = []
  for scores, summary in zip(study.scores, summaries, strict=True):
    if not scores.method.is_random:
      continue
    lines += [
      f"Normalised scores of {cell.name} are noise: the best known score, "
      f"{best:.3f}, is within the interval of {scores.method.name}."
      for cell, best, estimate, legal in zip(
        study.cells, study.best, summary.cells, study.can_normalise, strict=True
      )
      if legal and best <= estimate.high
    ]
  for scores in study.scores:
    seeds = {replicate.fine_tuned for replicate in scores.replicates}
    starts = set(scores.groups)
    if len(scores.replicates) < 3:
      lines.append(
        f"{scores.method.name} has {len(scores.replicates)} of the 3 or more "
        "seeds that an interval or a test needs."
      )
    elif len(starts) == 1:
      lines.append(
        f"{scores.method.name} has one pre-training seed and {len(seeds)} of "
        "fine-tuning: its intervals tell the noise of fine-tuning alone."
      )
  trained = [s for s in study.scores if not s.method.is_random]
  budgets = {s.method.name: _budget(s) for s in trained}
  if len(set(budgets.values())) > 1:
    told = "; ".join(f"{name} {text}" for name, text in budgets.items())
    lines.append(f"Unequal budgets of pre-training examples: {told}.")
  for c, cell in enumerate(study.cells):
    for what, name in (
      ("num_steps", "steps of fine-tuning"),
      ("num_train_rows", "training rows"),
    ):
      seen = {getattr(row[c], what) for s in study.scores for row in s.results}
      if len(seen) > 1:
        numbers = ", ".join(f"{n:,}" for n in sorted(seen))
        lines.append(f"Unequal budgets: {cell.name} has {numbers} {name}.")
  rules = {
    str(run.manifest.get("selection"))
    for s in study.scores
    for run in s.method.runs
  }
  if len(rules) > 1:
    lines.append(f"Unequal selection: {'; '.join(sorted(rules))}.")
  return lines


def _budget(scores: Scores) -> str:
  numbers = {run.pretrained.get("num_examples") for run in scores.method.runs}
  return ", ".join(
    f"{n:,}" if type(n) is int else "unknown" for n in sorted(numbers, key=str)
  )


def findings(study: Study, tests: Sequence[PairedTest]) -> list[str]:
  """The answer in words: how each method compares with the first."""
  trained = [s.method.name for s in study.scores if not s.method.is_random]
  return pairs.findings(trained[0], tests) if tests else []
