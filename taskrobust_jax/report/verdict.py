"""The verdict of a study, by the bar that its plan set before any run."""

from collections.abc import Sequence
import dataclasses
import math

from taskrobust_jax.report import evidence, excess, statistics
from taskrobust_jax.report.statistics import Estimate
from taskrobust_jax.report.study import Scores, Study, make_study

# notebooks/study_plan.md, "What counts as a win".
LARGEST_RATIO = 0.75
LARGEST_LOSS = 0.01
FEWEST_SEEDS = 3


@dataclasses.dataclass(frozen=True)
class Verdict:
  """Of one method against averaging, at equal examples.

  Attributes:
    method: Its name.
    num_seeds: Pre-training seeds that both have.
    ratio: Worst upstream excess, to that of averaging.
    without_one: Its lowest and highest value if one seed is left out.
    worst: Worst normalised downstream score, less that of averaging; `None`
      where nothing was fine-tuned.
    mean: Mean downstream score less averaging's, as a share of averaging's;
      `None` likewise.
    mode: Of the fine-tuning that both are from, in words.
  """

  method: str
  num_seeds: int
  ratio: Estimate
  without_one: tuple[float, float]
  worst: Estimate | None
  mean: Estimate | None
  mode: str = ""

  @property
  def is_lower_upstream(self) -> bool:
    """The first condition."""
    return self.ratio.value <= LARGEST_RATIO and self.ratio.high < 1

  @property
  def is_higher_downstream(self) -> bool:
    """The second condition."""
    return self.worst is not None and self.worst.low > 0

  @property
  def keeps_the_mean(self) -> bool:
    """The third condition."""
    return self.mean is not None and self.mean.value >= -LARGEST_LOSS

  def sentence(self) -> str:
    """What a reader can act on, and by how much a condition was missed."""
    facts = [f"worst upstream excess {self.ratio.as_text()} of uniform's"]
    if math.isfinite(self.without_one[0]):
      low, high = self.without_one
      facts[0] += f", {low:.3f} to {high:.3f} without any one seed"
    if self.worst is None or self.mean is None:
      facts.append("downstream not yet run")
    else:
      facts += [
        f"{self.mode}: worst normalised downstream score "
        f"{self.worst.as_text('+')}",
        f"mean downstream score {self.mean.value:+.1%} "
        f"[{self.mean.low:+.1%}, {self.mean.high:+.1%}]",
      ]
    if self.num_seeds < FEWEST_SEEDS:
      advice = f"no verdict: {self.num_seeds} of {FEWEST_SEEDS} paired seeds"
    elif self.is_lower_upstream and self.worst is None:
      advice = "no verdict yet: the upstream condition is met"
    elif (
      self.is_lower_upstream
      and self.is_higher_downstream
      and self.keeps_the_mean
    ):
      advice = "use it"
    elif self.is_lower_upstream:
      advice = (
        "it does upstream what it promises, and the tasks tried here do not "
        "show it"
      )
    else:
      advice = "average"
    return f"{self.method}: {advice} ({'; '.join(facts)})."


def of_method(
  ours: excess.Excess,
  base: excess.Excess,
  study: Study | None,
  mode: str = "",
) -> Verdict:
  """The verdict on a method.

  Args:
    ours: Its excess.
    base: That of averaging.
    study: Downstream scores of both, cells that can be told apart alone; `None`
      where there are none.
    mode: Of that fine-tuning, in words.
  """
  worst = mean = None
  if study is not None:
    of_name = {s.method.name: s for s in study.scores}
    pair = [of_name.get(name) for name in (ours.method, base.method)]
    if None not in pair and study.can_normalise.any():
      worst, mean = _downstream(study, *pair)
  return Verdict(
    ours.method,
    len(set(ours.seeds) & set(base.seeds)),
    excess.ratio(ours, base),
    excess.without_one(ours, base),
    worst,
    mean,
    mode,
  )


def _downstream(
  study: Study, ours: Scores, base: Scores
) -> tuple[Estimate | None, Estimate | None]:
  common = [r for r in ours.replicates if r in base.replicates]
  seeds = [r.pretrained for r in common]
  if len(set(seeds)) < FEWEST_SEEDS:
    return None, None
  values = [
    s.values[[s.replicates.index(r) for r in common]] for s in (ours, base)
  ]
  low_ours, low_base = (study.normalised(v).min(1) for v in values)
  more = (values[0] - values[1]).mean(1) / values[1].mean()
  return (
    statistics.estimate(low_ours - low_base, seeds),
    statistics.estimate(more, seeds),
  )


def told_apart(
  lines: Sequence[evidence.Downstream],
) -> tuple[Study, tuple[str, ...]] | None:
  """Scores on the cells in which pre-training shows at all.

  A cell counts if averaging is better than the untrained model by the standard
  deviation of a single fine-tuned model of averaging, or more: elsewhere a
  normalised score is mostly noise, and so is a minimum over cells. By these two
  alone, since a cell must not hang on which other methods were run; on the rows
  that select, so that nothing is chosen by those that judge.

  Args:
    lines: Of one setting, purpose and mode.

  Returns:
    (the study of these cells, what does not count and why); `None` if there are
    no lines of averaging, none of the untrained model, or no cell that counts.
  """
  values = {}
  for name in (evidence.UNIFORM, evidence.UNTRAINED):
    own = [_selecting(line) for line in lines if line.method == name]
    if not own:
      return None
    values[name] = own
  whole = make_study(evidence.as_fine_tunings(sum(values.values(), [])))
  if len(whole.scores) < 2:
    return None
  (averaged,), (untrained,) = (
    [s.values for s in whole.scores if s.method.is_random == is_random]
    for is_random in (False, True)
  )
  span = averaged.mean(0) - untrained.mean(0)
  spread = averaged.std(0, ddof=1) if len(averaged) > 1 else 0.0
  counts = (span > 0) & (span >= spread)
  kept = {c for c, keep in zip(whole.cells, counts, strict=True) if keep}
  if not kept:
    return None
  study = make_study(
    evidence.as_fine_tunings(
      [line for line in lines if (line.task, line.num_examples) in kept]
    )
  )
  notes = list(study.left_out)
  names = "; ".join(c.name for c in whole.cells if c not in kept)
  if names:
    notes.append(
      "Not counted, since averaging is not better than the untrained model by "
      f"the spread of a single one: {names}."
    )
  return study, tuple(notes)


def _selecting(line: evidence.Downstream) -> evidence.Downstream:
  """With the score on the rows that select, where there is one."""
  if line.select_score is None:
    return line
  return dataclasses.replace(line, score=line.select_score)
