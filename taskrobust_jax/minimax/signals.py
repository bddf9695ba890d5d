"""What the adversary is shown.

Raw losses of different tasks are rarely comparable: the best cross-entropy over
nouns is several nats above the best over function words. A signal shows the
adversary something fairer. It never changes the loss that the params descend.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.weighting import (
  Signal,
  check_per_task,
  check_range,
)


def raw() -> Signal:
  """The task losses as they are."""
  return Signal(
    init=lambda num_tasks: (),
    update=lambda losses, state, is_present, **extra: (losses, state),
  )


class EmaState(NamedTuple):
  """State of `ema`.

  Attributes:
    mean: [K] f32, the biased running mean.
    weight: [K] f32 in [0, 1], the share of `mean` that was observed.
  """

  mean: jax.Array
  weight: jax.Array


def ema(decay: float) -> Signal:
  """Exponential moving average of each task's loss.

    m_t = decay m_{t-1} + (1 - decay) L_t,   signal = m_t / (1 - decay^n)

  with n the number of steps at which the task was present: steps without the
  task leave its mean alone.

  Args:
    decay: In [0, 1). 0 shows the raw losses.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If `decay` is outside its range.
  """
  check_range("decay", decay, 0, 1, open_high=True)

  def init(num_tasks):
    return EmaState(jnp.zeros(num_tasks), jnp.zeros(num_tasks))

  def update(losses, state, is_present, **extra):
    keep = jnp.where(is_present, decay, 1.0)
    state = EmaState(
      mean=keep * state.mean + (1 - keep) * losses,
      weight=keep * state.weight + (1 - keep),
    )
    return jnp.where(is_present, state.mean / state.weight, 0.0), state

  return Signal(init, update)


def relative_to_start() -> Signal:
  """Each loss divided by the first finite loss of that task.

  signal_k = L_k / L_k(first step at which k was present)
  """

  def init(num_tasks):
    return jnp.full(num_tasks, jnp.nan)

  def update(losses, start, is_present, **extra):
    start = jnp.where(is_present & jnp.isnan(start), losses, start)
    return jnp.where(is_present, losses / start, 0.0), start

  return Signal(init, update)


def log_ratio(nadir: jax.Array) -> Signal:
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
  nadir = jnp.asarray(nadir, jnp.float32)
  if not bool(jnp.all((nadir > 0) & jnp.isfinite(nadir))):
    raise ValueError(f"nadir must be in (0, inf), got {nadir}")

  def init(num_tasks):
    check_per_task("nadir", nadir, num_tasks)
    return ()

  def update(losses, state, is_present, **extra):
    # Two logs, since the ratio of extreme losses leaves float32.
    return jnp.log(losses) - jnp.log(nadir), state

  return Signal(init, update)


def excess_over(reference_losses: jax.Array) -> Signal:
  """Each loss less a reference of the same task.

    signal_k = L_k - reference_k

  Args:
    reference_losses: Scalar or [K], finite. What a model trained for this task
      reaches, such as a single-task run at the same step.

  Returns:
    A `Signal`.

  Raises:
    ValueError: If an entry is not finite, or their number is not K (when
      `init` is called).
  """
  reference = jnp.asarray(reference_losses, jnp.float32)
  if not bool(jnp.all(jnp.isfinite(reference))):
    raise ValueError(f"reference_losses must be finite, got {reference}")

  def init(num_tasks):
    check_per_task("reference_losses", reference, num_tasks)
    return ()

  def update(losses, state, is_present, **extra):
    return losses - reference, state

  return Signal(init, update)


def adjusted(adjustments: jax.Array, normalize: bool = False) -> Signal:
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
  adjustments = jnp.asarray(adjustments, jnp.float32)
  if not bool(jnp.all((adjustments >= 0) & jnp.isfinite(adjustments))):
    raise ValueError(f"adjustments must be in [0, inf), got {adjustments}")

  def init(num_tasks):
    check_per_task("adjustments", adjustments, num_tasks)
    return ()

  def update(losses, state, is_present, **extra):
    signal = jnp.where(is_present, losses + adjustments, 0.0)
    return (signal / signal.sum() if normalize else signal), state

  return Signal(init, update)
