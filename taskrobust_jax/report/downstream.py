"""The part of a report on fine-tuned models."""

from collections.abc import Mapping, Sequence
from typing import Any

from taskrobust_jax.report import downstream_figures, pairs
from taskrobust_jax.report.page import Picture, Section
from taskrobust_jax.report.pairs import PairedTest
from taskrobust_jax.report.statistics import Estimate
from taskrobust_jax.report.study import Study
from taskrobust_jax.report.summary import MethodSummary
from taskrobust_jax.report.tables import Comparison, Table


def sections(
  study: Study,
  summaries: Sequence[MethodSummary],
  tests: Sequence[PairedTest],
  findings: Sequence[str],
  colours: Mapping[str, Any],
) -> list[Section]:
  """What the page says of a study."""
  count = len(study.scores)
  blocks = [
    list(findings) if findings else "One method: there is nothing to compare.",
    summary_table(study, summaries),
    _explanation(study),
    Picture(
      downstream_figures.average_against_worst(study, summaries, colours),
      "average_against_worst",
      "Mean of tasks against the worst task: the further right and up, the "
      "better. Crosses are 95 % intervals, small dots (where there are few "
      "methods) the replicates; the line joins the methods that no other one "
      "beats in both.",
    ),
  ]
  parts = [
    Section("Worst task and mean", blocks),
    Section(
      "Each task",
      [
        task_table(study, summaries),
        Picture(
          downstream_figures.scores_of_tasks(study, summaries, colours),
          "tasks",
          "Mean score of each task with its 95 % interval over seeds.",
        ),
      ],
    ),
  ]
  if count > 1:
    parts.append(Section("Paired tests", _tests(study, tests)))
  return parts


def as_comparison(
  study: Study, summaries: Sequence[MethodSummary], findings: Sequence[str]
) -> Comparison:
  """For `tables.as_text`: a terminal's part of it."""
  tables = [summary_table(study, summaries), task_table(study, summaries)]
  return Comparison([], tables, list(findings))


def summary_table(study: Study, summaries: Sequence[MethodSummary]) -> Table:
  """A row a measure of robustness, a column a method."""
  names = [cell.name for cell in study.cells]
  rows = [
    ("worst task: min of means", [s.worst for s in summaries]),
    ("worst task: mean of mins", [s.worst_mean for s in summaries]),
    ("mean of tasks", [s.mean for s in summaries]),
  ]
  if study.can_normalise.any():
    rows += [
      (
        "worst normalised: min of means",
        [s.normalised_worst for s in summaries],
      ),
      (
        "worst normalised: mean of mins",
        [s.normalised_worst_mean for s in summaries],
      ),
    ]
  cells = [[name, *(x.as_text() for x in row)] for name, row in rows]
  best = [_best(row) for _, row in rows]
  cells += [
    ["worst task is", *(names[s.worst_cell] for s in summaries)],
    ["spread: best task - worst", *(f"{s.spread:.3f}" for s in summaries)],
    ["seeds", *(str(len(s.replicates)) for s in study.scores)],
  ]
  return Table(
    "Scores over tasks, higher is better; 95 % intervals over seeds",
    ["", *(s.method.name for s in study.scores)],
    cells,
    best + [set()] * 3,
  )


def task_table(study: Study, summaries: Sequence[MethodSummary]) -> Table:
  """A row a task, a column a method."""
  rows = [[s.cells[c] for s in summaries] for c in range(len(study.cells))]
  has_floor = study.floor is not None
  cells = []
  for c, row in enumerate(rows):
    known = f"{study.best[c]:.3f}" + ("*" if study.best_is_given[c] else "")
    cells.append(
      [
        f"{study.cells[c].name} ({study.score_names[c]})",
        *(x.as_text() for x in row),
        *([known] if has_floor else []),
      ]
    )
  return Table(
    "Score of each task: mean and 95 % interval over seeds"
    + ("; * is from --best_known" if study.best_is_given.any() else ""),
    [
      "task",
      *(s.method.name for s in study.scores),
      *(["best known"] if has_floor else []),
    ],
    cells,
    [_best(row) for row in rows],
  )


def _explanation(study: Study) -> str:
  text = (
    "Min of means: the mean of each task over seeds, then the lowest task. "
    "Mean of mins: the lowest task of each seed, then the mean. Intervals: "
    "bootstrap, which draws pre-training seeds, then fine-tuning seeds. "
  )
  if study.floor is None:
    return text + (
      "No normalised score: it needs a folder of fine-tunings of a random "
      "initialisation, and none was given."
    )
  text += (
    "Normalised: (score - random initialisation) / (best known - random "
    "initialisation); best known is the highest mean in this comparison"
    + (" where --best_known gives none." if study.best_is_given.any() else ".")
    + " Intervals take both as exact."
  )
  lost = [
    cell.name
    for cell, legal in zip(study.cells, study.can_normalise, strict=True)
    if not legal
  ]
  if lost:
    text += (
      f" Not normalised, since nothing is better than the random "
      f"initialisation there: {'; '.join(lost)}."
    )
  return text


def _tests(study: Study, tests: Sequence[PairedTest]) -> list:
  if not tests:
    return ["No tests: there are not two pre-trained methods."]
  first = next(s.method.name for s in study.scores if not s.method.is_random)
  return [
    pairs.table(first, tests),
    "Pairs have the same pre-training seed, task, size and fine-tuning seed. "
    "With several pre-training seeds the pairs of each are averaged first, "
    "since fine-tunings of one checkpoint are no independent samples; n counts "
    "what is left. p is of the two-sided paired t-test; Holm's correction is "
    "for all tests of this table. Worst task is the lowest task of each "
    "seed. A p above 0.05 is no proof that methods are equal.",
  ]


def _best(row: Sequence[Estimate]) -> set[int]:
  """Columns of the highest; none if all print alike."""
  values = [round(estimate.value, 3) for estimate in row]
  best = {c for c, v in enumerate(values, start=1) if v == max(values)}
  return best if len(best) < len(values) else set()
