"""Weights with parameters of their own, which descend by their own optimizer.

No adversaries: these answers balance tasks as multi-task learning does. They
see the losses themselves.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import (
  ScalarOrSchedule,
  at_step,
  check_choice,
  check_count,
  check_per_task,
  check_range,
  constant_per_task,
  input_per_task,
  needs_step,
)
from taskrobust_jax.minimax.descent import Descent, check_descent
from taskrobust_jax.minimax.history import WarmupMean
from taskrobust_jax.minimax.weighting import (
  LARGEST_SCORE,
  Ascent,
  log_normalise,
  log_of,
  log_quotient,
)

# form -> (coefficient at s = 0, the start of s)
UNCERTAINTY_FORMS: dict[str, tuple[float, float]] = {
  "kendall": (0.5, -0.5),
  "multimae": (1.0, 0.0),
}
_LARGEST_LOG_VARIANCE = 80.0  # exp(80) is a float32.


def uncertainty(
  form: str,
  learning_rate: ScalarOrSchedule,
  optimizer: str,
  weight_decay: float,
) -> Ascent:
  """Weights by learnt log-variances; see `baselines.uncertainty`."""
  check_choice("form", form, tuple(UNCERTAINTY_FORMS))
  check_descent(optimizer, learning_rate, weight_decay)
  half, start = UNCERTAINTY_FORMS[form]

  def update(losses, log_task_weights, state, is_present, **extra):
    log_variance = state.values
    moved = state.step(
      half * (1 - losses * jnp.exp(-log_variance)),
      is_present,
      optimizer=optimizer,
      learning_rate=at_step(learning_rate, extra),
      weight_decay=weight_decay,
    )
    bounded = jnp.clip(
      moved.values, -_LARGEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE
    )
    answer = log_normalise(-log_variance, is_present)
    return answer, moved._replace(values=bounded)

  return Ascent(
    init=lambda num_tasks: Descent.start(start, num_tasks),
    update=update,
    coefficients=lambda answer, signal, losses, state, **extra: (
      half * jnp.exp(-state.values)
    ),
    needs=needs_step(learning_rate),
  )


class FamoState(NamedTuple):
  """State of `famo`.

  Attributes:
    logits: The parameters w and their optimizer.
    last_gap: [K] f32, D at the last step with the task; 1 before the first.
    is_known: [K] bool, whether there was such a step.
    was_present: [K] bool, whether it was the last step.
  """

  logits: Descent
  last_gap: jax.Array
  is_known: jax.Array
  was_present: jax.Array


def famo(
  step_size: ScalarOrSchedule,
  weight_decay: float,
  min_losses: float | Sequence[float],
) -> Ascent:
  """Weights that even out the relative progress; see `baselines.famo`."""
  check_range("step_size", step_size, 0)
  check_range("weight_decay", weight_decay, 0)
  least = constant_per_task("min_losses", min_losses)

  def gap(losses):
    return jnp.maximum(losses - least, 0.0) + 1e-8

  def init(num_tasks):
    check_per_task("min_losses", least, num_tasks)
    return FamoState(
      logits=Descent.start(0.0, num_tasks),
      last_gap=jnp.ones(num_tasks),
      is_known=jnp.zeros(num_tasks, bool),
      was_present=jnp.zeros(num_tasks, bool),
    )

  def update(losses, log_task_weights, state, is_present, **extra):
    next_losses = input_per_task("next_losses", losses.shape[0], extra)
    if next_losses is None:
      now, moves = losses, is_present & state.is_known
    else:
      moves = state.was_present & jnp.isfinite(next_losses)
      now = jnp.where(moves, next_losses, 0.0)
    progress = jnp.where(moves, log_quotient(state.last_gap, gap(now)), 0.0)
    shares = jnp.exp(log_normalise(state.logits.values, moves))
    logits = state.logits.step(
      shares * (progress - jnp.vdot(shares, progress)),
      moves,
      optimizer="adam",
      learning_rate=at_step(step_size, extra),
      weight_decay=weight_decay,
    )
    gaps = gap(losses)
    answer = log_normalise(logits.values - jnp.log(gaps), is_present)
    return answer, FamoState(
      logits=logits,
      last_gap=jnp.where(is_present, gaps, state.last_gap),
      is_known=state.is_known | is_present,
      was_present=is_present,
    )

  return Ascent(
    init, update, needs=needs_step(step_size), accepts=("next_losses",)
  )


class GradNormState(NamedTuple):
  """State of `gradnorm`.

  Attributes:
    weights: The parameters and their optimizer: the weights themselves, which
      sum to K, or the logits of their softmax.
    start: The losses at the start.
  """

  weights: Descent
  start: WarmupMean


GRADNORM_FORMS: tuple[str, ...] = ("direct", "softmax")
_SMALLEST_WEIGHT = 1e-6


def gradnorm(
  alpha: float,
  learning_rate: ScalarOrSchedule,
  optimizer: str,
  form: str,
  warmup_steps: int,
) -> Ascent:
  """Weights that even out gradient norms; see `baselines.gradnorm`."""
  check_range("alpha", alpha, 0)
  check_descent(optimizer, learning_rate)
  check_choice("form", form, GRADNORM_FORMS)
  check_count("warmup_steps", warmup_steps, 0)

  def shares_of(values, is_present):
    if form == "softmax":
      return jnp.exp(log_normalise(values, is_present))
    total = jnp.where(is_present, values, 0.0).sum()
    return jnp.where(is_present, values / jnp.where(total > 0, total, 1.0), 0.0)

  def update(losses, log_task_weights, state, is_present, **extra):
    norms = input_per_task("gradient_norms", losses.shape[0], extra)
    moves = is_present & jnp.isfinite(norms)
    norms = jnp.where(moves, jnp.clip(norms, 0.0, LARGEST_SCORE), 0.0)
    count = jnp.maximum(moves.sum(), 1)
    start = state.start.observe(losses, is_present, 0, max(warmup_steps, 1))

    num_present = jnp.maximum(is_present.sum(), 1)
    shares = shares_of(state.weights.values, is_present)
    weighted = num_present * shares * norms
    ratio = losses / jnp.where(start.mean > 0, start.mean, 1.0)
    ratio = jnp.where(moves, jnp.clip(ratio, 0.0, LARGEST_SCORE), 0.0)
    mean_ratio = ratio.sum() / count
    pace = (ratio / jnp.where(mean_ratio > 0, mean_ratio, 1.0)) ** alpha
    target = weighted.sum() / count * jnp.minimum(pace, LARGEST_SCORE)
    slope = norms * jnp.sign(weighted - target)
    if form == "softmax":
      slope = num_present * shares * (slope - jnp.vdot(shares, slope))
    old = state.weights
    moved = old.step(
      slope,
      moves & (state.start.num_steps >= warmup_steps),
      optimizer=optimizer,
      learning_rate=at_step(learning_rate, extra),
    )
    if form == "direct":
      new = jnp.maximum(moved.values, _SMALLEST_WEIGHT)
      kept = jnp.where(is_present, old.values, 0.0).sum()
      new = jnp.where(is_present, kept * shares_of(new, is_present), old.values)
      moved = moved._replace(values=new)
    return log_of(shares, is_present), GradNormState(moved, start)

  return Ascent(
    init=lambda num_tasks: GradNormState(
      Descent.start(1.0, num_tasks), WarmupMean.zeros(num_tasks)
    ),
    update=update,
    needs=("gradient_norms", *needs_step(learning_rate)),
  )
