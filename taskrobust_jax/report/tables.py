"""The comparison of runs as a table: plain text; `page` has Markdown."""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.report.methods import last_step
from taskrobust_jax.report.read import Run


@dataclasses.dataclass(frozen=True)
class Table:
  """A titled table of strings.

  Attributes:
    title: what the numbers are and which are good.
    header: the column names, the first column holds the rows' names.
    rows: the cells. An empty row is a rule between tasks and summaries.
    best: for each row the columns that hold the best value; none if not given.
  """

  title: str
  header: list[str]
  rows: list[list[str]]
  best: list[set[int]] = dataclasses.field(default_factory=list)

  def __post_init__(self):
    if not self.best:
      object.__setattr__(self, "best", [set()] * len(self.rows))


@dataclasses.dataclass(frozen=True)
class Comparison:
  """What `as_text` prints.

  Attributes:
    runs: one line a run: its name, strategy, seed and folder.
    tables: held-out losses, task weights, accuracies.
    notes: how to read the tables, and what makes the runs incomparable.
  """

  runs: list[str]
  tables: list[Table]
  notes: list[str]


def compare(runs: Sequence[Run]) -> Comparison:
  """Compares the last held-out evaluation and the task weights of runs.

  Args:
    runs: one or more runs of the same tasks.

  Returns:
    Tables with a row a task and a column a run, and with two runs a column of
    differences, the second run minus the first.

  Raises:
    InputError: no runs, different task names, or a run without an evaluation.
  """
  if not runs:
    raise InputError("no run folders given: give one or more")
  task_names = runs[0].task_names
  for run in runs:
    if run.task_names != task_names:
      raise InputError(
        f"the runs have different tasks: {runs[0].path} has"
        f" {', '.join(task_names)}; {run.path} has {', '.join(run.task_names)}"
      )
    if math.isnan(last_step(run)):
      raise InputError(
        f"{run.path / 'metrics.jsonl'} holds no eval/loss/<task>: the run has"
        " not reached its first evaluation"
      )
  steps = _join(f"{last_step(run):.0f}" for run in runs)

  def last(prefix):
    return [
      [run.last(f"{prefix}/{task}") for run in runs] for task in task_names
    ]

  summaries = {
    "worst task": [run.last("eval/worst_task_loss") for run in runs],
    "mean of tasks": [run.last("eval/mean_task_loss") for run in runs],
  }
  mean_weights = [
    [finite_mean(run.series(f"train/weight/{task}")[1]) for run in runs]
    for task in task_names
  ]
  of_worst = {
    "2.5 % point": "eval/worst_task_loss_low",
    "97.5 % point": "eval/worst_task_loss_high",
    "averaged params": "eval_averaged/worst_task_loss",
  }
  more = {
    name: [run.last(key) for run in runs] for name, key in of_worst.items()
  }
  more = {k: row for k, row in more.items() if not all(map(math.isnan, row))}
  tables = [
    _table(
      f"Held-out loss at step {steps}: lower is better",
      runs,
      [*zip(task_names, last("eval/loss"), strict=True), *summaries.items()],
      best=min,
      rule_after=len(task_names),
    ),
    *(
      [
        _table(
          "The worst task's loss: its bootstrap band over batches, and where "
          "params were averaged",
          runs,
          more.items(),
        )
      ]
      if more
      else []
    ),
    _table(
      "Task weights, mean over training: what the strategy worked on",
      runs,
      zip(task_names, mean_weights, strict=True),
    ),
    _table(
      f"Held-out accuracy in % at step {steps}: higher is better",
      runs,
      [
        (task, [100 * value for value in values])
        for task, values in zip(task_names, last("eval/accuracy"), strict=True)
      ],
      best=max,
      digits=1,
    ),
  ]
  return Comparison([_describe(run) for run in runs], tables, _notes(runs))


def as_text(comparison: Comparison) -> str:
  """Returns aligned plain text; `*` marks the best of a row."""
  parts = ["\n".join(comparison.runs)] if comparison.runs else []
  first_cells = [row[0] for t in comparison.tables for row in t.rows if row]
  for table in comparison.tables:
    rows = [
      [
        cell + ("*" if column in best else " ") if column else cell
        for column, cell in enumerate(row)
      ]
      for row, best in zip(table.rows, table.best, strict=True)
    ]
    header = [table.header[0], *(cell + " " for cell in table.header[1:])]
    columns = zip(*(row for row in [header, *rows] if row), strict=True)
    widths = [max(map(len, column)) for column in columns]
    widths[0] = max(map(len, first_cells))  # Tables stand under each other.
    rule = "  ".join("-" * width for width in widths)
    lines = [
      "  ".join(
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
      ).rstrip()
      if row
      else rule
      for row in [header, [], *rows]
    ]
    parts.append("\n".join([table.title, "", *lines]))
  if any(any(table.best) for table in comparison.tables):
    parts.append("\n".join(["* the best of its row.", *comparison.notes]))
  elif comparison.notes:
    parts.append("\n".join(comparison.notes))
  return "\n\n".join(parts) + "\n"


def _table(title, runs, rows, best=None, digits=3, rule_after=None) -> Table:
  """Makes a table of rows (name, a value for each run)."""
  header = ["task", *(run.name for run in runs)]
  if len(runs) == 2:
    header.append("difference")
  cells, marks = [], []
  for number, (name, values) in enumerate(rows):
    if number == rule_after:
      cells.append([])
      marks.append(set())
    row = [_format(value, digits) for value in values]
    # Values that print alike are equally good.
    finite = [round(v, digits) for v in values if math.isfinite(v)]
    winners = {
      column
      for column, value in enumerate(values, start=1)
      if best and finite and round(value, digits) == best(finite)
    }
    if len(runs) == 2:
      row.append(_format(values[1] - values[0], digits, sign="+"))
    cells.append([name, *row])
    marks.append(winners if len(winners) < len(runs) else set())
  return Table(title, header, cells, marks)


def _format(value: float, digits: int, sign: str = "") -> str:
  return "-" if math.isnan(value) else f"{value:{sign}.{digits}f}"


def finite_mean(values: np.ndarray) -> float:
  """The mean of what is finite; NaN if nothing is."""
  values = values[np.isfinite(values)]
  return float(values.mean()) if values.size else float("nan")


def _join(words) -> str:
  return ", ".join(dict.fromkeys(words))


def _describe(run: Run) -> str:
  config = run.manifest.get("config") or {}
  strategy = (config.get("minimax") or {}).get("strategy")
  seed = run.manifest.get("seed")
  facts = [
    *([f"strategy {strategy}"] if strategy is not None else []),
    *([f"seed {seed}"] if seed is not None else []),
    str(run.path),
  ]
  return f"{run.name}: {', '.join(facts)}"


def _notes(runs: Sequence[Run]) -> list[str]:
  notes = []
  if len(runs) == 2:
    notes.append(f"difference = {runs[1].name} minus {runs[0].name}.")
  if len({last_step(run) for run in runs}) > 1:
    notes.append("Mind: the runs were last evaluated at different steps.")
  if len({run.manifest.get("data_digest") for run in runs}) > 1:
    notes.append("Mind: the runs were made from different data.")
  return notes
