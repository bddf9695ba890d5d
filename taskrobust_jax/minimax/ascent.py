"""How the adversary answers what it is shown: with mirror ascent, or at once.

All answers are log-probabilities over the present tasks.
"""

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.weighting import (
  Ascent,
  ScalarOrSchedule,
  at_step,
  check_per_task,
  check_range,
  log_normalise,
  needs_step,
)

# Beyond this a score says "infinitely worse" as well, and sums stay finite.
_LARGEST_SCORE = 1e30


def fixed(weights: jax.Array) -> Ascent:
  """Answers with the same weights whatever the losses are.

  Args:
    weights: Scalar (equal weights) or [K], >= 0, not all 0; scaled to sum to 1.

  Returns:
    An `Ascent`.

  Raises:
    ValueError: If an entry is negative or not finite, or all are 0, or their
      number is not K (when `init` is called).
  """
  weights = jnp.asarray(weights, jnp.float32)
  if not bool(jnp.all((weights >= 0) & jnp.isfinite(weights))):
    raise ValueError(f"weights must be in [0, inf), got {weights}")
  if not bool(jnp.any(weights > 0)):
    raise ValueError(f"weights must not all be 0, got {weights}")

  def init(num_tasks):
    check_per_task("weights", weights, num_tasks)
    return ()

  def update(signal, log_task_weights, state, is_present, **extra):
    # A weight of 0 is a finite score, so that a batch which holds only tasks of
    # weight 0 is shared equally and is not 0 / 0.
    scores = jnp.maximum(jnp.log(weights), -_LARGEST_SCORE)
    scores = jnp.broadcast_to(scores, signal.shape)
    return log_normalise(scores, is_present), state

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
    gain = jnp.clip(gain, -_LARGEST_SCORE, _LARGEST_SCORE)
    # Large common losses would cost the dual variable its last digits.
    gain -= jnp.max(gain, where=is_present, initial=-_LARGEST_SCORE)
    log_answer = log_normalise(log_task_weights + gain, is_present)
    log_answer = jnp.maximum(log_answer, -_LARGEST_SCORE)
    if smoothing:
      uniform = jnp.log(smoothing / jnp.maximum(is_present.sum(), 1))
      log_answer = jnp.logaddexp(jnp.log1p(-smoothing) + log_answer, uniform)
    return log_answer, state

  return Ascent(
    init=lambda num_tasks: (), update=update, needs=needs_step(step_size)
  )


def softmax(
  temperature: ScalarOrSchedule, through_softmax: bool = False
) -> Ascent:
  """Best response of an adversary that pays for leaving the uniform weights.

    q = softmax(signal / temperature)
      = argmax_q  q . signal - temperature * KL(q || uniform)

  If `through_softmax`, the coefficients are those of a gradient taken through
  the softmax too, of sum_k q_k L_k with q a function of L:

    w_k = q_k (1 + (L_k - q . L) / temperature)

  They sum to 1, but are negative where L_k < q . L - temperature.

  Args:
    temperature: > 0, in the unit of the signal; a number or a schedule of
      `step`.
    through_softmax: Whether to differentiate through the weights.

  Returns:
    An `Ascent`.

  Raises:
    ValueError: If `temperature` is outside its range.
  """
  check_range("temperature", temperature, 0, open_low=True)

  def scores(signal, extra):
    value = jnp.asarray(at_step(temperature, extra), jnp.float32)
    return jnp.clip(signal / value, -_LARGEST_SCORE, _LARGEST_SCORE)

  def update(signal, log_task_weights, state, is_present, **extra):
    return log_normalise(scores(signal, extra), is_present), state

  def coefficients(answer, signal, **extra):
    scaled = scores(signal, extra)
    return answer * (1 + scaled - jnp.vdot(answer, scaled))

  return Ascent(
    init=lambda num_tasks: (),
    update=update,
    coefficients=coefficients if through_softmax else None,
    needs=needs_step(temperature),
  )
