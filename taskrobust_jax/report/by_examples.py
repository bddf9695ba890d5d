"""What pre-training gains downstream, by the number of labelled examples."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from taskrobust_jax.report import evidence, statistics
from taskrobust_jax.report.statistics import Estimate
from taskrobust_jax.report.study import Study


class Gains(NamedTuple):
  """Mean scores less those of averaging.

  Attributes:
    sizes: Numbers of examples, ascending; 0 for all comes last.
    tasks: Those that were scored at every size; the mean is over them.
    of_method: Method -> a gain a size, over paired replicates.
  """

  sizes: Sequence[int]
  tasks: Sequence[str]
  of_method: Mapping[str, Sequence[Estimate]]

  def sentence(self) -> str:
    """Where the gain is larger: with the fewest or with the most examples."""
    *fewer, most = map(_name, self.sizes)
    larger = [
      method
      for method, gains in self.of_method.items()
      if gains[0].value > gains[-1].value
    ]
    texts = [
      f"{method} {', '.join(gain.as_text('+') for gain in gains)}"
      for method, gains in self.of_method.items()
    ]
    return (
      f"With {', '.join(fewer)} and {most} examples the mean over "
      f"{', '.join(self.tasks)} changes by: {'; '.join(texts)}. With the "
      "fewest the change is better than with the most for "
      f"{len(larger)} of {len(texts)} methods."
    )


def gains_of(study: Study) -> Gains | None:
  """The gains; `None` with one size, no task at all sizes, or one method."""
  sizes = sorted(
    {cell.num_examples for cell in study.cells},
    key=lambda n: n or float("inf"),
  )
  sizes_of: dict[str, set[int]] = {}
  for cell in study.cells:
    sizes_of.setdefault(cell.task, set()).add(cell.num_examples)
  tasks = [task for task, has in sizes_of.items() if len(has) == len(sizes)]
  trained = [s for s in study.scores if not s.method.is_random]
  base = next((s for s in trained if s.method.name == evidence.UNIFORM), None)
  if base is None or not tasks or len(sizes) < 2:
    return None
  found = {}
  for other in trained:
    common = [r for r in other.replicates if r in base.replicates]
    if other is base or not common:
      continue
    ours, theirs = (
      s.values[[s.replicates.index(r) for r in common]] for s in (other, base)
    )
    found[other.method.name] = [
      statistics.estimate(
        (ours - theirs)[
          :,
          [c.num_examples == size and c.task in tasks for c in study.cells],
        ].mean(1),
        [r.pretrained for r in common],
      )
      for size in sizes
    ]
  return Gains(sizes, tasks, found) if found else None


def _name(size: int) -> str:
  return f"{size:,}" if size else "all"
