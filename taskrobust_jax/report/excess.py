"""What a study says of pre-training: the excess over single-task references."""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.report import evidence, statistics
from taskrobust_jax.report.evidence import PreTraining
from taskrobust_jax.report.statistics import Estimate
from taskrobust_jax.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Excess:
  """Of one method, over R seeds.

  Attributes:
    method: Its name.
    seeds: [R], ascending.
    values: [R, K] held-out loss less that of the task's reference.
    weights: [K] mean over training and seeds.
    lines: [R] what they are from.
  """

  method: str
  seeds: tuple[int, ...]
  values: np.ndarray
  weights: np.ndarray
  lines: tuple[PreTraining, ...]

  @property
  def worst(self) -> np.ndarray:
    """[R]."""
    return self.values.max(1)


def rows_of(purpose: str) -> str:
  """Whose losses tell a purpose: those that judge tell comparisons alone."""
  return "loss" if purpose.endswith("comparison") else "screen"


def of_lines(
  lines: Sequence[PreTraining], rows: str = "loss"
) -> tuple[tuple[str, ...], list[Excess]]:
  """The excess of every method of one setting, averaging first.

  Args:
    lines: Of one setting and purpose, references among them. What has other
      tasks than these is left out, as is all if a reference is missing.
    rows: "loss", of the rows that judge, or "screen", of those that choose.

  Returns:
    (K task names, methods).

  Raises:
    InputError: Runs are of different lengths.
  """
  steps = {line.steps for line in lines}
  if len(steps) > 1:
    raise InputError(
      f"runs of {lines[0].setting!r} have {sorted(steps)} steps; only equal "
      "ones can be compared"
    )
  singles = {
    line.method: line for line in lines if line.purpose == evidence.REFERENCE
  }
  tasks = tuple(
    sorted({task for line in singles.values() for task in line.loss})
  )
  names = [evidence.single_method(task) for task in tasks]
  if not tasks or any(name not in singles for name in names):
    return (), []
  reference = np.array(
    [getattr(singles[n], rows)[t] for n, t in zip(names, tasks, strict=True)]
  )
  of_method: dict[str, list[PreTraining]] = {}
  for line in sorted(lines, key=lambda x: (_place(x.method), x.seed)):
    if line.purpose != evidence.REFERENCE and set(line.loss) == set(tasks):
      of_method.setdefault(line.method, []).append(line)
  return tasks, [
    Excess(
      method,
      tuple(line.seed for line in group),
      np.array([[getattr(line, rows)[t] for t in tasks] for line in group])
      - reference,
      np.array([[line.weights[t] for t in tasks] for line in group]).mean(0),
      tuple(group),
    )
    for method, group in of_method.items()
  ]


def ratio(ours: Excess, base: Excess) -> Estimate:
  """The worst excess against another method's, over the seeds of both.

  Means over seeds are divided; seeds are drawn again in pairs. NaN where the
  other method has no excess.
  """
  common, pairs = _paired(ours, base)
  if not common:
    return Estimate(math.nan, math.nan, math.nan)
  value = _divided(pairs.mean(0))
  low = high = np.array(math.nan)
  if len(common) > 1:
    drawn = statistics.resampled_means(pairs, common)
    low, high = statistics.interval(_divided(drawn))
  return Estimate(float(value), float(low), float(high))


def without_one(ours: Excess, base: Excess) -> tuple[float, float]:
  """The lowest and the highest `ratio` if any one common seed is left out.

  NaN with fewer than two.
  """
  common, pairs = _paired(ours, base)
  if len(common) < 2:
    return math.nan, math.nan
  left = (pairs.sum(0) - pairs) / (len(common) - 1)
  ratios = _divided(left)
  return float(ratios.min()), float(ratios.max())


def table(
  tasks: Sequence[str], found: Sequence[Excess], others: Sequence[Excess] = ()
) -> Table:
  """A row a method: worst and mean excess, ratio to averaging, each task.

  Args:
    tasks: K names.
    found: The methods.
    others: The same methods on other rows, for a second ratio; or none.
  """
  base = next((x for x in found if x.method == evidence.UNIFORM), None)
  both = [_against(xs) for xs in (found, others) if xs]
  rows = []
  for number, x in enumerate(found):
    rows.append(
      [
        x.method,
        statistics.estimate(x.worst, x.seeds).as_text(),
        statistics.estimate(x.values.mean(1), x.seeds).as_text(),
        *(against[number] for against in both),
        *(f"{value:+.3f}" for value in x.values.mean(0)),
        ", ".join(map(str, x.seeds)),
      ]
    )
  # Seeds are paired, so the ratio ranks methods and not the mean.
  ratios = [ratio(x, base).value if base is not None else 1.0 for x in found]
  best = [round(value, 3) for value in ratios]
  return Table(
    "Excess: held-out loss less that of the task's reference (nats; of "
    "pictures each loss's own unit), lower is better; 95 % bootstrap intervals "
    "over seeds",
    [
      *("method", "worst task", "mean of tasks", "worst, ratio to uniform"),
      *(["the same, rows that screen"] if others else []),
      *(*tasks, "seeds"),
    ],
    rows,
    [
      {3} if x is not base and value == min(best) else set()
      for x, value in zip(found, best, strict=True)
    ],
  )


def _against(found: Sequence[Excess]) -> list[str]:
  """The ratio of each to averaging, in words."""
  base = next((x for x in found if x.method == evidence.UNIFORM), None)
  return [
    "-" if base is None or x is base else ratio(x, base).as_text()
    for x in found
  ]


def losses_table(
  tasks: Sequence[str], lines: Sequence[PreTraining], rows: str = "loss"
) -> Table:
  """A row a run: held-out loss of each task and mean weights."""
  ordered = sorted(lines, key=lambda x: (_place(x.method), x.seed))
  return Table(
    "Held-out loss (mean weight) of each task, each run",
    ["run", *tasks, "mean"],
    [
      [
        f"{line.method}, seed {line.seed}",
        *(
          f"{getattr(line, rows)[t]:.3f} ({line.weights[t]:.2f})" for t in tasks
        ),
        f"{np.mean(list(getattr(line, rows).values())):.3f}",
      ]
      for line in ordered
      if set(line.loss) == set(tasks)
    ],
  )


def _paired(ours: Excess, base: Excess) -> tuple[list[int], np.ndarray]:
  """(common seeds, [n, 2] worst excess of both)."""
  common = [seed for seed in ours.seeds if seed in base.seeds]
  columns = [
    x.worst[[x.seeds.index(seed) for seed in common]] for x in (ours, base)
  ]
  return common, np.stack(columns, axis=1)


def _divided(pairs: np.ndarray) -> np.ndarray:
  """[..., 2] -> [...]; NaN where there is nothing to remove."""
  legal = pairs[..., 1] > 0
  return np.where(
    legal, pairs[..., 0] / np.where(legal, pairs[..., 1], 1.0), np.nan
  )


def _place(method: str) -> tuple[bool, str]:
  return (method != evidence.UNIFORM, method)
