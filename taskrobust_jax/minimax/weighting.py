"""TaskWeighting: how the adversary turns K task losses into K task weights.

A weighting is a pair of pure functions, as an optax transform is. Strategies
(`strategies.py`) are made by `compose` from what the adversary is shown
(`signals.py`) and how it answers (`ascent.py`, `best_responses.py`,
`learnt.py`). What holds for all of them is done here, once: float32, absent
tasks, non-finite losses, the log-space dual variable.
"""

from collections.abc import Callable
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import check_count

# Beyond this a score says "infinitely worse" as well, and sums stay finite.
LARGEST_SCORE = 1e30


class TaskWeighting(NamedTuple):
  """A strategy: pure functions over an explicit state.

  Attributes:
    init: `init(num_tasks) -> state`. `state.task_weights` [K] f32 holds the
      weights over all tasks.
    update: `update(task_losses, state, is_present=None, **extra) ->
      (task_weights, state)`. `task_losses` [K], any float dtype; `is_present`
      [K] bool, `None` means all. Returns the coefficients of the losses, [K]
      f32: on the simplex over the present tasks, 0 for absent ones, all 0 if
      none is present.
    needs: Names of the extra inputs that `update` must be given.
    simplex: False if the coefficients may leave the simplex.
    accepts: Names of the extra inputs that `update` makes use of if given.
  """

  init: Callable[[int], Any]
  update: Callable[..., tuple[jax.Array, Any]]
  needs: tuple[str, ...] = ()
  simplex: bool = True
  accepts: tuple[str, ...] = ()


class Signal(NamedTuple):
  """What the adversary is shown; it never changes the loss that descends.

  Attributes:
    init: `init(num_tasks) -> state`.
    update: `update(task_losses, state, is_present, **extra) -> (signal,
      state)`, all [K]; losses of absent tasks are 0 and must be ignored.
    needs: Names of the extra inputs that it must be given.
    accepts: Names of the extra inputs that it makes use of if given.
  """

  init: Callable[[int], Any]
  update: Callable[..., tuple[jax.Array, Any]]
  needs: tuple[str, ...] = ()
  accepts: tuple[str, ...] = ()


class Ascent(NamedTuple):
  """How the adversary answers a signal.

  Attributes:
    init: `init(num_tasks) -> state`.
    update: `update(signal, log_task_weights, state, is_present, **extra) ->
      (log_answer, state)`: log-probabilities [K], normalised over the present
      tasks (see `log_normalise`).
    coefficients: `None`, or `coefficients(answer, signal, losses, state,
      **extra) -> [K]` for an answer whose coefficients are not the
      probabilities themselves; `state` is the one before the update.
    needs: Names of the extra inputs that it must be given.
    accepts: Names of the extra inputs that it makes use of if given.
  """

  init: Callable[[int], Any]
  update: Callable[..., tuple[jax.Array, Any]]
  coefficients: Callable[..., jax.Array] | None = None
  needs: tuple[str, ...] = ()
  accepts: tuple[str, ...] = ()


class WeightingState(NamedTuple):
  """State of a composed weighting; an ordinary pytree.

  Attributes:
    task_weights: [K] f32. The weights last used; an absent task keeps the one
      it had, so these sum to 1 over all tasks (if `weighting.simplex`).
    log_task_weights: [K] f32. The dual variable, the log of a distribution
      over all tasks. A weight too small for float32 lives on here.
    num_nonfinite: [K] i32. How often a task's loss or signal was NaN or inf.
    signal_range: Scalar f32. The largest spread of the signal over the present
      tasks of one update so far.
    signal: State of the signal.
    ascent: State of the ascent.
  """

  task_weights: jax.Array
  log_task_weights: jax.Array
  num_nonfinite: jax.Array
  signal_range: jax.Array
  signal: Any
  ascent: Any


def compose(signal: Signal, ascent: Ascent) -> TaskWeighting:
  """Makes a weighting from what is shown and how it is answered.

  An absent task keeps its probability; the present ones share the rest in the
  proportions of the answer. A task whose loss or signal is not finite counts as
  absent in that update, and is counted in `num_nonfinite`.

  Args:
    signal: What the adversary is shown.
    ascent: How it answers.

  Returns:
    A `TaskWeighting` whose state is a `WeightingState`.
  """
  needs = tuple(dict.fromkeys((*signal.needs, *ascent.needs)))

  def init(num_tasks: int) -> WeightingState:
    check_count("num_tasks", num_tasks, 1)
    return WeightingState(
      task_weights=jnp.full(num_tasks, 1 / num_tasks, jnp.float32),
      log_task_weights=jnp.full(num_tasks, -math.log(num_tasks), jnp.float32),
      num_nonfinite=jnp.zeros(num_tasks, jnp.int32),
      signal_range=jnp.zeros([], jnp.float32),
      signal=signal.init(num_tasks),
      ascent=ascent.init(num_tasks),
    )

  def update(
    task_losses: jax.Array,
    state: WeightingState,
    is_present: jax.Array | None = None,
    **extra: Any,
  ) -> tuple[jax.Array, WeightingState]:
    # The weights are the adversary's move, not a function to descend through.
    losses = jax.lax.stop_gradient(jnp.asarray(task_losses, jnp.float32))
    if losses.shape != state.task_weights.shape:
      raise ValueError(
        f"task_losses must have shape {state.task_weights.shape} (one loss a "
        f"task), got {losses.shape}"
      )
    missing = [name for name in needs if extra.get(name) is None]
    if missing:
      raise ValueError(f"update needs the extra input {', '.join(missing)}")
    expected = (
      jnp.ones(losses.shape, bool)
      if is_present is None
      else jnp.asarray(is_present, bool)
    )

    present = expected & jnp.isfinite(losses)
    losses = jnp.where(present, losses, 0.0)
    shown, signal_state = signal.update(losses, state.signal, present, **extra)
    present &= jnp.isfinite(shown)
    shown = jnp.where(present, shown, 0.0)
    log_answer, ascent_state = ascent.update(
      shown, state.log_task_weights, state.ascent, present, **extra
    )

    log_task_weights = jnp.where(
      present,
      _log_mass(state.log_task_weights, present) + log_answer,
      state.log_task_weights,
    )
    answer = jnp.where(present, jnp.exp(log_answer), 0.0)
    if ascent.coefficients is None:
      coefficients, kept = answer, jnp.exp(log_task_weights)
    else:
      coefficients = kept = jnp.where(
        present,
        ascent.coefficients(answer, shown, losses, state.ascent, **extra),
        0.0,
      )

    return coefficients, WeightingState(
      task_weights=jnp.where(present, kept, state.task_weights),
      log_task_weights=log_task_weights,
      num_nonfinite=state.num_nonfinite + (expected & ~present),
      signal_range=jnp.maximum(state.signal_range, _spread(shown, present)),
      signal=signal_state,
      ascent=ascent_state,
    )

  return TaskWeighting(
    init,
    update,
    needs=needs,
    simplex=ascent.coefficients is None,
    accepts=tuple(dict.fromkeys((*signal.accepts, *ascent.accepts))),
  )


def log_normalise(scores: jax.Array, is_present: jax.Array) -> jax.Array:
  """Log-probabilities [K] of a softmax over the present tasks.

  Args:
    scores: [K] f32.
    is_present: [K] bool.

  Returns:
    [K] f32; -inf for absent tasks, and for all if none is present.
  """
  log_answer = jax.nn.log_softmax(scores, where=is_present)
  return jnp.where(is_present, log_answer, -jnp.inf)


def log_of(weights: jax.Array, is_present: jax.Array) -> jax.Array:
  """Log of weights [K] >= 0, of which some may be 0; -inf for absent tasks."""
  scores = jnp.maximum(jnp.log(weights), -LARGEST_SCORE)
  return jnp.where(is_present, scores, -jnp.inf)


def log_quotient(above: jax.Array, below: jax.Array) -> jax.Array:
  """log(above / below), exact where both are close, and finite for extremes.

  NaN or infinite where an argument is not positive.
  """
  change = (above - below) / below
  return jnp.where(
    jnp.abs(change) < 0.5, jnp.log1p(change), jnp.log(above) - jnp.log(below)
  )


def restrict(
  task_weights: jax.Array, is_present: jax.Array, simplex: bool = True
) -> jax.Array:
  """Weights [K] of the present tasks alone, renormalised if `simplex`.

  All 0 if no task is present. Present tasks that together have no weight share
  equally.
  """
  weights = jnp.where(is_present, task_weights, 0.0)
  if not simplex:
    return weights
  total = weights.sum()
  equal = is_present / jnp.maximum(is_present.sum(), 1)
  return jnp.where(total > 0, weights / jnp.where(total > 0, total, 1.0), equal)


def _spread(values: jax.Array, is_present: jax.Array) -> jax.Array:
  """Largest less smallest value of the present tasks, 0 if there is none."""
  largest = jnp.max(values, where=is_present, initial=-jnp.inf)
  smallest = jnp.min(values, where=is_present, initial=jnp.inf)
  return jnp.where(is_present.any(), largest - smallest, 0.0)


def _log_mass(log_weights: jax.Array, is_present: jax.Array) -> jax.Array:
  """Log of the probability that the present tasks share.

  Where the absent tasks hold little, 1 minus their mass: exactly 1 if none is
  absent, so that rounding does not add up over steps. Where they hold most of
  it, the difference would cancel, and the sum in log space is exact.
  """
  absent_mass = jnp.where(is_present, 0.0, jnp.exp(log_weights)).sum()
  return jnp.where(
    absent_mass < 0.5,
    jnp.log1p(-jnp.minimum(absent_mass, 0.5)),
    jax.nn.logsumexp(jnp.where(is_present, log_weights, -jnp.inf)),
  )
