"""What some strategies remember of the losses: a warm-up mean, two windows."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import check_count
from taskrobust_jax.minimax.weighting import LARGEST_SCORE, Signal, log_quotient


class WarmupMean(NamedTuple):
  """Mean loss of each task over some first steps.

  Attributes:
    mean: [K] f32, 0 until the task was seen.
    num_seen: [K] i32, how many losses `mean` is made of.
    num_steps: Scalar i32, updates so far.
  """

  mean: jax.Array
  num_seen: jax.Array
  num_steps: jax.Array

  @classmethod
  def zeros(cls, num_tasks: int) -> "WarmupMean":
    return cls(
      jnp.zeros(num_tasks),
      jnp.zeros(num_tasks, jnp.int32),
      jnp.zeros((), jnp.int32),
    )

  def observe(
    self, losses: jax.Array, is_counted: jax.Array, first: int, last: int
  ) -> "WarmupMean":
    """Adds the losses of a step, if it is one of `first` to `last` - 1.

    A task that was never seen by then has its first loss as its mean.
    """
    in_time = (self.num_steps >= first) & (self.num_steps < last)
    is_late = (self.num_steps >= last) & (self.num_seen == 0)
    is_counted &= in_time | is_late
    num_seen = self.num_seen + is_counted
    change = (losses - self.mean) / jnp.maximum(num_seen, 1)
    mean = self.mean + jnp.where(is_counted, change, 0.0)
    return WarmupMean(mean, num_seen, self.num_steps + 1)


def log_over_warmup(warmup_steps: int, average_from: int = 0) -> Signal:
  """The log of each loss over its mean in the warm-up; 0 during the warm-up.

  Losses must be positive: at 0 or below the task counts as absent. A task that
  was absent from the whole warm-up has its first loss as its mean.

  Args:
    warmup_steps: >= 1, how many updates the warm-up takes.
    average_from: In [0, warmup_steps), the first of them to be averaged.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If an argument is outside its range.
  """
  check_count("warmup_steps", warmup_steps, 1)
  check_count("average_from", average_from, 0)
  if average_from >= warmup_steps:
    raise ValueError(
      f"average_from must be less than warmup_steps ({warmup_steps}), got "
      f"{average_from}"
    )

  def update(losses, state, is_present, **extra):
    is_positive = losses > 0
    in_warmup = state.num_steps < warmup_steps
    state = state.observe(
      losses, is_present & is_positive, average_from, warmup_steps
    )
    known = jnp.where(state.num_seen > 0, state.mean, 1.0)
    shown = jnp.where(in_warmup, 0.0, log_quotient(losses, known))
    return jnp.where(is_positive, shown, jnp.nan), state

  return Signal(WarmupMean.zeros, update)


class LossRateState(NamedTuple):
  """State of `loss_rate`.

  Attributes:
    mean: [K] f32, the mean loss in the window that runs now.
    num_seen: [K] i32, how many losses `mean` is made of.
    last: [K] f32, the mean of the last full window with the task; 0 if none.
    before: [K] f32, the mean of the one before that; 0 if none.
    num_steps: Scalar i32, updates so far in the window that runs now.
  """

  mean: jax.Array
  num_seen: jax.Array
  last: jax.Array
  before: jax.Array
  num_steps: jax.Array


def loss_rate(window: int) -> Signal:
  """How much of its loss a task kept from one window of steps to the next.

    signal_k = (mean L_k in the last full window) / (the one before that)

  and 1 until two windows are full. Steps without the task do not enter its
  means; a window without it is not one of its windows. The loss of a step is
  first seen in the window after.

  Args:
    window: >= 1, in steps. 1 compares the losses of the last two steps.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If `window` is outside its range.
  """
  check_count("window", window, 1)

  def init(num_tasks):
    zeros = jnp.zeros(num_tasks)
    return LossRateState(
      mean=zeros,
      num_seen=jnp.zeros(num_tasks, jnp.int32),
      last=zeros,
      before=zeros,
      num_steps=jnp.zeros((), jnp.int32),
    )

  def update(losses, state, is_present, **extra):
    is_known = (state.before > 0) & (state.last > 0)
    rate = state.last / jnp.where(is_known, state.before, 1.0)
    shown = jnp.where(is_known, jnp.minimum(rate, LARGEST_SCORE), 1.0)

    num_seen = state.num_seen + is_present
    change = (losses - state.mean) / jnp.maximum(num_seen, 1)
    mean = state.mean + jnp.where(is_present, change, 0.0)
    num_steps = state.num_steps + 1
    is_full = num_steps == window
    moves = is_full & (num_seen > 0)
    return shown, LossRateState(
      mean=jnp.where(is_full, 0.0, mean),
      num_seen=jnp.where(is_full, 0, num_seen),
      last=jnp.where(moves, mean, state.last),
      before=jnp.where(moves, state.last, state.before),
      num_steps=jnp.where(is_full, 0, num_steps),
    )

  return Signal(init, update)
