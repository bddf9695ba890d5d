"""Signals that compare a loss with constants of its task."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import (
  check_per_task,
  constant_per_task,
  input_per_task,
)
from taskrobust_jax.minimax.weighting import Signal, log_quotient


def log_ratio(nadir: float | Sequence[float]) -> Signal:
  """The log of each loss over its nadir value.

    signal_k = log(L_k / nadir_k)

  Losses must be positive: at 0 or below the task counts as absent.

  Args:
    nadir: Scalar or [K], > 0. A poor but acceptable loss of each task.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If an entry is not positive and finite, or their number is not
      K (when `init` is called).
  """
  nadirs = constant_per_task("nadir", nadir, 0, open_low=True)

  def init(num_tasks):
    check_per_task("nadir", nadirs, num_tasks)
    return ()

  def update(losses, state, is_present, **extra):
    return log_quotient(losses, nadirs), state

  return Signal(init, update)


def excess_over(
  reference_losses: float | Sequence[float] | Sequence[Sequence[float]],
  reference_steps: Sequence[int] = (),
) -> Signal:
  """Each loss less a reference of the same task.

    signal_k = L_k - reference_k                  (one reference a task)
    signal_k = L_k - reference_k(step)            (a curve a task)

  A curve is the better reference: early losses then stand beside early ones. It
  is linear between its points and constant before the first and after the
  last.

  Args:
    reference_losses: Scalar or [K], finite. What a model trained for this task
      reaches, such as a single-task run. With `reference_steps`: [S], one curve
      for all tasks, or [S, K].
    reference_steps: [S], >= 0, increasing; () for no curve. The steps at which
      the reference had these losses; the signal then needs `step`.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If an entry is not finite, the steps do not increase, or the
      number of entries is not S or K (K when `init` is called).
  """
  if reference_steps is None or not len(reference_steps):
    return _excess_over(constant_per_task("reference_losses", reference_losses))

  steps = constant_per_task("reference_steps", reference_steps, 0)
  curve = jnp.asarray(reference_losses, jnp.float32)
  if steps.ndim != 1 or not bool(jnp.all(jnp.diff(steps) > 0)):
    raise ValueError(f"reference_steps must increase, got {reference_steps}")
  if curve.ndim not in (1, 2) or curve.shape[0] != steps.shape[0]:
    raise ValueError(
      f"reference_losses must have one entry for each of {steps.shape[0]} "
      f"reference_steps, got shape {curve.shape}"
    )
  if not bool(jnp.all(jnp.isfinite(curve))):
    raise ValueError(f"reference_losses must be finite, got {curve}")

  def init(num_tasks):
    check_per_task("reference_losses", curve[0], num_tasks)
    return ()

  def update(losses, state, is_present, step, **extra):
    step = jnp.asarray(step, jnp.float32)
    columns = curve if curve.ndim == 2 else curve[:, None]
    at = jax.vmap(lambda column: jnp.interp(step, steps, column), 1)(columns)
    return losses - at, state

  return Signal(init, update, needs=("step",))


def _excess_over(reference: jax.Array) -> Signal:
  """The excess over references that do not change, scalar or [K]."""

  def init(num_tasks):
    check_per_task("reference_losses", reference, num_tasks)
    return ()

  def update(losses, state, is_present, **extra):
    return losses - reference, state

  return Signal(init, update)


def clipped_excess(
  reference_losses: float | Sequence[float] | Sequence[Sequence[float]],
  reference_steps: Sequence[int] = (),
) -> Signal:
  """DoReMi's score: the excess over a reference where it is positive.

    signal_k = max(0, L_k - reference_k)

  or the extra input `excess_losses` [K], where a step offers it: the mean over
  a task's tokens of max(0, loss - reference loss), clipped a token before the
  mean.

  Args:
    reference_losses: See `excess_over`.
    reference_steps: See `excess_over`.

  Returns:
    A `Signal`.

  Raises:
    ValueError: See `excess_over`.
  """
  excess = excess_over(reference_losses, reference_steps)

  def update(losses, state, is_present, **extra):
    shown = input_per_task("excess_losses", losses.shape[0], extra)
    if shown is None:
      shown, state = excess.update(losses, state, is_present, **extra)
    clipped = jnp.maximum(shown, 0.0)
    # -inf is no excess of 0.
    return jnp.where(jnp.isfinite(shown), clipped, jnp.nan), state

  return excess._replace(update=update, accepts=("excess_losses",))


def adjusted(
  adjustments: float | Sequence[float], normalize: bool = False
) -> Signal:
  """Losses with Group DRO's adjustments.

    signal = L + adjustments,   then divided by its sum if `normalize`

  Args:
    adjustments: Scalar or [K], finite, >= 0. Group DRO uses C / sqrt(n_k) for a
      task of n_k examples.
    normalize: Whether to divide by the sum over the present tasks. Needs
      positive losses.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If an entry is negative or not finite, or their number is not K
      (when `init` is called).

  References:
    Sagawa et al., Distributionally Robust Neural Networks (ICLR 2020), eq. 5.
  """
  added = constant_per_task("adjustments", adjustments, 0)

  def init(num_tasks):
    check_per_task("adjustments", added, num_tasks)
    return ()

  def update(losses, state, is_present, **extra):
    signal = jnp.where(is_present, losses + added, 0.0)
    return (signal / signal.sum() if normalize else signal), state

  return Signal(init, update)
