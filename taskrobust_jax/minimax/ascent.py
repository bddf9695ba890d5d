"""How the adversary answers what it is shown, from the weights it holds.

Mirror ascent and its relatives; the answers that do not depend on the weights
are in `best_responses.py`, those with parameters of their own in `learnt.py`.
All answers are log-probabilities over the present tasks.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import (
  ScalarOrSchedule,
  at_step,
  check_count,
  check_per_task,
  check_range,
  constant_per_task,
  needs_step,
)
from taskrobust_jax.minimax.weighting import (
  LARGEST_SCORE,
  Ascent,
  log_normalise,
  log_of,
)


def fixed(weights: float | Sequence[float]) -> Ascent:
  """Answers with the same weights whatever the losses are.

  Args:
    weights: Scalar (equal weights) or [K], >= 0, not all 0; scaled to sum to 1.

  Returns:
    An `Ascent`.

  Raises:
    ValueError: If an entry is negative or not finite, or all are 0, or their
      number is not K (when `init` is called).
  """
  given = constant_per_task("weights", weights, 0)
  if not bool(jnp.any(given > 0)):
    raise ValueError(f"weights must not all be 0, got {given}")

  def init(num_tasks):
    check_per_task("weights", given, num_tasks)
    return ()

  def update(signal, log_task_weights, state, is_present, **extra):
    # A weight of 0 is a finite score, so that a batch which holds only tasks of
    # weight 0 is shared equally and is not 0 / 0.
    scores = log_of(jnp.broadcast_to(given, signal.shape), is_present)
    return log_normalise(scores, is_present), state

  return Ascent(init, update)


def random(seed: int) -> Ascent:
  """Answers with new random weights at each step, whatever the losses are.

    q = softmax(z),   z_k ~ Normal(0, 1)

  Args:
    seed: >= 0. The key goes on in the state, as [2] uint32.

  Returns:
    An `Ascent`.

  Raises:
    ValueError: If `seed` is not a whole number >= 0.
  """
  check_count("seed", seed, 0)
  kind = "threefry2x32"  # Not left to the configuration of a machine.

  def init(num_tasks):
    return jax.random.key_data(jax.random.key(seed, impl=kind))

  def update(signal, log_task_weights, state, is_present, **extra):
    key = jax.random.wrap_key_data(state, impl=kind)
    key, now = jax.random.split(key)
    scores = jax.random.normal(now, signal.shape)
    return log_normalise(scores, is_present), jax.random.key_data(key)

  return Ascent(init, update)


def mirror(step_size: ScalarOrSchedule, smoothing: float = 0.0) -> Ascent:
  """Entropic mirror ascent (exponentiated gradient) on the simplex.

    log q <- log q + step_size * signal;  normalise;
    q <- (1 - smoothing) q + smoothing / K

  A constant added to all signals changes nothing. Sums and K run over the
  present tasks. The smoothed weights are what is stored, as in DoReMi.

  Args:
    step_size: >= 0, in 1 / (unit of the signal); a number or a schedule of
      `step`. 0 keeps the weights where they are.
    smoothing: In [0, 1). Share of the uniform distribution mixed in.

  Returns:
    An `Ascent`.

  Raises:
    ValueError: If an argument is outside its range.
  """
  check_range("step_size", step_size, 0)
  check_range("smoothing", smoothing, 0, 1, open_high=True)

  def update(signal, log_task_weights, state, is_present, **extra):
    gain = jnp.asarray(at_step(step_size, extra), jnp.float32) * signal
    gain = jnp.clip(gain, -LARGEST_SCORE, LARGEST_SCORE)
    # Large common losses would cost the dual variable its last digits.
    gain -= jnp.max(gain, where=is_present, initial=-LARGEST_SCORE)
    log_answer = log_normalise(log_task_weights + gain, is_present)
    log_answer = jnp.maximum(log_answer, -LARGEST_SCORE)
    if smoothing:
      uniform = jnp.log(smoothing / jnp.maximum(is_present.sum(), 1))
      log_answer = jnp.logaddexp(jnp.log1p(-smoothing) + log_answer, uniform)
    return log_answer, state

  return Ascent(
    init=lambda num_tasks: (), update=update, needs=needs_step(step_size)
  )


class OptimisticState(NamedTuple):
  """State of `optimistic`.

  Attributes:
    previous: [K] f32, the signal of the step before.
    was_present: [K] bool, whether the task was present then.
    ascent: State of the ascent that is shown the prediction.
  """

  previous: jax.Array
  was_present: jax.Array
  ascent: Any


def optimistic(ascent: Ascent) -> Ascent:
  """Shows an ascent where the signal is going instead of where it is.

    shown_t = 2 signal_t - signal_{t-1}

  and signal_t alone where the task was absent at t-1, as at the first step.

  Args:
    ascent: One whose coefficients are its probabilities.

  Returns:
    An `Ascent`.

  References:
    Rakhlin and Sridharan, Online Learning with Predictable Sequences (COLT
    2013), with the last loss as the prediction of the next.
  """

  def init(num_tasks):
    return OptimisticState(
      previous=jnp.zeros(num_tasks),
      was_present=jnp.zeros(num_tasks, bool),
      ascent=ascent.init(num_tasks),
    )

  def update(signal, log_task_weights, state, is_present, **extra):
    change = jnp.where(state.was_present, signal - state.previous, 0.0)
    predicted = jnp.clip(signal + change, -LARGEST_SCORE, LARGEST_SCORE)
    log_answer, inner = ascent.update(
      predicted, log_task_weights, state.ascent, is_present, **extra
    )
    return log_answer, OptimisticState(signal, is_present, inner)

  return ascent._replace(init=init, update=update)


class AveragedState(NamedTuple):
  """State of `averaged`.

  Attributes:
    total: [K] f32, the sum of the weights before each update so far.
    lost: [K] f32, what rounding took from `total` (Kahan's sum).
    num_updates: Scalar i32.
    ascent: State of the ascent whose weights are averaged.
  """

  total: jax.Array
  lost: jax.Array
  num_updates: jax.Array
  ascent: Any


def averaged(ascent: Ascent) -> Ascent:
  """The same ascent, with the sum of the weights it has held in its state.

  Args:
    ascent: One whose coefficients are its probabilities.

  Returns:
    An `Ascent`; `strategies.mean_task_weights` reads its state.
  """

  def init(num_tasks):
    return AveragedState(
      total=jnp.zeros(num_tasks),
      lost=jnp.zeros(num_tasks),
      num_updates=jnp.zeros((), jnp.int32),
      ascent=ascent.init(num_tasks),
    )

  def update(signal, log_task_weights, state, is_present, **extra):
    log_answer, inner = ascent.update(
      signal, log_task_weights, state.ascent, is_present, **extra
    )
    # Over millions of steps a plain float32 sum would drift.
    added = jnp.exp(log_task_weights) - state.lost
    total = state.total + added
    lost = (total - state.total) - added
    return log_answer, AveragedState(total, lost, state.num_updates + 1, inner)

  return ascent._replace(init=init, update=update)
