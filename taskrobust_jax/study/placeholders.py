"""What arguments of methods hold that earlier runs of the study found."""

from collections.abc import Iterable, Sequence

from taskrobust_jax.report import evidence
from taskrobust_jax.study import grid


def of_lines(
  lines: Iterable[evidence.PreTraining], setting: str, purpose: str
) -> dict[str, str]:
  """Texts by the names that stand in braces in `grid`.

  Args:
    lines: Of all settings.
    setting: Whose runs are looked at.
    purpose: Whose runs come first where several were made; of these the lowest
      seed.

  Returns:
    Those that the lines are enough for: shares_of_excess, shares_of_counts,
    adjustments, mean_weights, last_references; small_weights, which are
    mean_weights of the novels' small model.
  """
  lines = list(lines)
  texts = _of_setting([x for x in lines if x.setting == setting], purpose)
  small = _of_setting(
    [x for x in lines if x.setting == grid.NOVELS.name], purpose
  )
  if "mean_weights" in small:
    texts["small_weights"] = small["mean_weights"]
  return texts


def _of_setting(
  lines: Sequence[evidence.PreTraining], purpose: str
) -> dict[str, str]:
  ordered = sorted(lines, key=lambda x: (x.purpose != purpose, x.seed))
  of_method = {line.method: line for line in reversed(ordered)}
  averaged = of_method.get(evidence.UNIFORM)
  if averaged is None:
    return {}
  texts = {}
  tasks = list(averaged.screen)
  single = [of_method.get(evidence.single_method(task)) for task in tasks]
  if None not in single:
    over = [
      max(averaged.screen[task] - x.screen[task], 0.0)
      for task, x in zip(tasks, single, strict=True)
    ]
    texts["shares_of_excess"] = _weights(over)
    last = [x.screen[task] for task, x in zip(tasks, single, strict=True)]
    texts["last_references"] = f"({','.join(f'{x:.5f}' for x in last)})"
  # The same for every run: all are judged on the same rows.
  counted = next((line.counts for line in ordered if line.counts), None)
  if counted is not None:
    counts = [counted[task] for task in tasks]
    texts["shares_of_counts"] = _weights(counts)
    texts["adjustments"] = f"({','.join(f'{n**-0.5:.6f}' for n in counts)})"
  ascended = of_method.get(grid.WINNER.name)
  if ascended is not None:
    texts["mean_weights"] = _weights(ascended.weights.values())
  return texts


def _weights(values: Iterable[float]) -> str:
  """Shares of a sum, as a strategy's argument; equal ones if it is 0."""
  values = list(values)
  total = sum(values)
  shares = [v / total if total else 1 / len(values) for v in values]
  return f"({','.join(f'{share:.4f}' for share in shares)})"
