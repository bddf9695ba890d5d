"""TaskWeighting: how the adversary turns K task losses into K task weights.

A weighting is a pair of pure functions, as an optax transform is. Strategies
(`strategies.py`) are made by `compose` from what the adversary is shown
(`signals.py`) and how it answers (`ascent.py`). What holds for all of them is
done here, once: float32, absent tasks, non-finite losses, the log-space dual
variable.
"""

from collections.abc import Callable
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

ScalarOrSchedule = float | Callable[[jax.Array], jax.Array]


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
  """

  init: Callable[[int], Any]
  update: Callable[..., tuple[jax.Array, Any]]
  needs: tuple[str, ...] = ()
  simplex: bool = True


class Signal(NamedTuple):
  """What the adversary is shown; it never changes the loss that descends.

  Attributes:
    init: `init(num_tasks) -> state`.
    update: `update(task_losses, state, is_present, **extra) -> (signal,
      state)`, all [K]; losses of absent tasks are 0 and must be ignored.
    needs: Names of the extra inputs.
  """

  init: Callable[[int], Any]
  update: Callable[..., tuple[jax.Array, Any]]
  needs: tuple[str, ...] = ()


class Ascent(NamedTuple):
  """How the adversary answers a signal.

  Attributes:
    init: `init(num_tasks) -> state`.
    update: `update(signal, log_task_weights, state, is_present, **extra) ->
      (log_answer, state)`: log-probabilities [K], normalised over the present
      tasks (see `log_normalise`).
    coefficients: `None`, or `coefficients(answer, signal, **extra) -> [K]` for
      an answer whose coefficients are not the probabilities themselves.
    needs: Names of the extra inputs.
  """

  init: Callable[[int], Any]
  update: Callable[..., tuple[jax.Array, Any]]
  coefficients: Callable[..., jax.Array] | None = None
  needs: tuple[str, ...] = ()


class WeightingState(NamedTuple):
  """State of a composed weighting; an ordinary pytree.

  Attributes:
    task_weights: [K] f32. The weights last used; an absent task keeps the one
      it had, so these sum to 1 over all tasks (if `weighting.simplex`).
    log_task_weights: [K] f32. The dual variable, the log of a distribution
      over all tasks. A weight too small for float32 lives on here.
    num_nonfinite: [K] i32. How often a task's loss or signal was NaN or inf.
    signal: State of the signal.
    ascent: State of the ascent.
  """

  task_weights: jax.Array
  log_task_weights: jax.Array
  num_nonfinite: jax.Array
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

  def init(num_tasks: int) -> WeightingState:
    check_num_tasks(num_tasks)
    return WeightingState(
      task_weights=jnp.full(num_tasks, 1 / num_tasks, jnp.float32),
      log_task_weights=jnp.full(num_tasks, -math.log(num_tasks), jnp.float32),
      num_nonfinite=jnp.zeros(num_tasks, jnp.int32),
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
    expected = (
      jnp.ones(losses.shape, bool)
      if is_present is None
      else jnp.asarray(is_present, bool)
    )

    present = expected & jnp.isfinite(losses)
    shown, signal_state = signal.update(
      jnp.where(present, losses, 0.0), state.signal, present, **extra
    )
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
      coefficients = kept = ascent.coefficients(answer, shown, **extra)

    return coefficients, WeightingState(
      task_weights=jnp.where(present, kept, state.task_weights),
      log_task_weights=log_task_weights,
      num_nonfinite=state.num_nonfinite + (expected & ~present),
      signal=signal_state,
      ascent=ascent_state,
    )

  return TaskWeighting(
    init,
    update,
    needs=tuple(dict.fromkeys((*signal.needs, *ascent.needs))),
    simplex=ascent.coefficients is None,
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


def at_step(value: ScalarOrSchedule, extra: dict[str, Any]) -> Any:
  """The value of a constant, or of a schedule at `extra["step"]`."""
  return value(extra["step"]) if callable(value) else value


def needs_step(value: ScalarOrSchedule) -> tuple[str, ...]:
  """The extra inputs that `at_step` will ask for."""
  return ("step",) if callable(value) else ()


def check_num_tasks(num_tasks: int) -> None:
  """Raises ValueError unless there is at least one task."""
  if num_tasks < 1:
    raise ValueError(f"num_tasks must be 1 or more, got {num_tasks}")


def check_per_task(name: str, values: jax.Array, num_tasks: int) -> None:
  """Raises ValueError unless `values` is a scalar or has one entry a task."""
  if values.ndim and values.shape != (num_tasks,):
    raise ValueError(
      f"{name} must be a number or have one entry for each of {num_tasks} "
      f"tasks, got shape {values.shape}"
    )


def check_range(
  name: str,
  value: ScalarOrSchedule,
  low: float,
  high: float = math.inf,
  *,
  open_low: bool = False,
  open_high: bool = False,
) -> None:
  """Raises ValueError unless a constant lies between `low` and `high`.

  Schedules cannot be checked before they are run, and pass. Infinity is never
  legal.
  """
  if callable(value):
    return
  try:
    number = math.nan if isinstance(value, str) else float(value)
  except (TypeError, ValueError):
    number = math.nan
  above = number > low if open_low else number >= low
  below = number < high if open_high else number <= high
  if not (math.isfinite(number) and above and below):
    right = "inf)" if high == math.inf else f"{high}{')' if open_high else ']'}"
    legal = f"{'(' if open_low else '['}{low}, {right}"
    raise ValueError(f"{name} must be in {legal}, got {value}")


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
