"""What methods cost: examples, FLOPs, seconds."""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np

from taskrobust_jax.report import flops, methods
from taskrobust_jax.report.read import Run, read_rows
from taskrobust_jax.report.study import Scores, Study
from taskrobust_jax.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Cost:
  """Of one method, a mean over its runs; NaN where it is not known.

  Attributes:
    name: The method's.
    examples: Rows of all batches.
    flops: Counted by `flops.of_example`, or by `finetune`.
    seconds: Of training, without compiling, evaluating and saving.
  """

  name: str
  examples: float
  flops: float
  seconds: float

  @property
  def seconds_an_example(self) -> float:
    """NaN without examples."""
    return self.seconds / self.examples if self.examples else math.nan


def of_pre_training(method: methods.Method) -> Cost:
  """The cost of pre-training runs."""
  examples, arithmetic, seconds = [], [], []
  for run in method.runs:
    config = run.manifest.get("config") or {}
    steps = max((s[-1] for s, _ in run.metrics.values() if s.size), default=0)
    batch_size = config.get("batch_size")
    is_known = type(batch_size) is int and batch_size > 0
    examples.append(steps * batch_size if is_known else math.nan)
    arithmetic.append(examples[-1] * flops.of_example(config))
    seconds.append(_seconds(run, batch_size if is_known else math.nan))
  return Cost(
    method.name,
    *(float(np.mean(x)) for x in (examples, arithmetic, seconds)),
  )


def of_fine_tuning(scores: Scores) -> Cost:
  """The cost of a replicate: all of its tasks together."""
  rows = [
    (
      sum(r.num_train_rows for r in row),
      sum(r.model_flops for r in row),
      sum(r.seconds for r in row),
    )
    for row in scores.results
  ]
  return Cost(scores.method.name, *map(float, np.mean(rows, axis=0)))


def _seconds(run: Run, batch_size: float) -> float:
  """Time in training, from the rates of timing.jsonl."""
  file = run.path / "timing.jsonl"
  if not file.exists():
    return math.nan
  steps, rates = read_rows(file).get("examples_per_second", ([], []))
  rates = np.asarray(rates)
  if not len(rates) or not np.all(rates > 0):
    return math.nan
  return float((np.diff(steps, prepend=0) * batch_size / rates).sum())


def pre_training_table(compared: Sequence[methods.Method]) -> Table:
  """A row a method; overhead is against the first."""
  costs = [of_pre_training(method) for method in compared]
  first = costs[0].seconds_an_example
  return Table(
    "Cost of pre-training a run (overhead: seconds an example, against the "
    "first method; measured beside whatever else the machine did)",
    ["method", "examples", "FLOPs", "seconds", "overhead"],
    [
      [
        cost.name,
        _count(cost.examples),
        _count(cost.flops),
        _count(cost.seconds),
        _ratio(cost.seconds_an_example, first),
      ]
      for cost in costs
    ],
  )


def fine_tuning_table(study: Study) -> Table:
  """A row a method: one replicate, all tasks."""
  costs = [of_fine_tuning(scores) for scores in study.scores]
  return Table(
    "Cost of fine-tuning on all tasks, one seed (overhead: seconds, against "
    "the first method)",
    ["method", "pre-training examples", "training rows", "FLOPs", "seconds"]
    + ["overhead"],
    [
      [
        cost.name,
        _count(_examples(scores)),
        _count(cost.examples),
        _count(cost.flops),
        _count(cost.seconds),
        _ratio(cost.seconds, costs[0].seconds),
      ]
      for cost, scores in zip(costs, study.scores, strict=True)
    ],
  )


def _examples(scores: Scores) -> float:
  numbers = [run.pretrained.get("num_examples") for run in scores.method.runs]
  if not all(type(n) in (int, float) for n in numbers):
    return math.nan
  return float(np.mean(numbers))


def _count(value: float) -> str:
  if not math.isfinite(value):
    return "-"
  return f"{value:,.0f}" if value < 1e7 else f"{value:.3g}"


def _ratio(value: float, first: float) -> str:
  if not (math.isfinite(value) and math.isfinite(first) and first > 0):
    return "-"
  return f"{value / first:.2f}x"
