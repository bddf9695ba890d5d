"""Adversaries that answer at once: the best weights for what they are shown.

Each is the exact solution of argmax_q q . signal over a set of weights around
the uniform ones, or with a price for leaving them. They do not depend on the
weights held before. Sums and K run over the present tasks; tasks of equal
signal get equal weights.
"""

import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import (
  ScalarOrSchedule,
  at_step,
  check_range,
  needs_step,
)
from taskrobust_jax.minimax.weighting import (
  LARGEST_SCORE,
  Ascent,
  log_normalise,
  log_of,
)


def softmax(
  temperature: ScalarOrSchedule, through_softmax: bool = False
) -> Ascent:
  """Best response of an adversary that pays for leaving the uniform weights.

    q = softmax(signal / temperature)
      = argmax_q  q . signal - temperature * KL(q || uniform)

  If `through_softmax`, the coefficients are those of a gradient taken through
  the softmax too, of sum_k q_k s_k with q a function of the signal s:

    w_k = q_k (1 + (s_k - q . s) / temperature)

  They sum to 1, but are negative where s_k < q . s - temperature. Only of raw
  losses are they exactly the gradient's.

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
    return jnp.clip(signal / value, -LARGEST_SCORE, LARGEST_SCORE)

  def update(signal, log_task_weights, state, is_present, **extra):
    return log_normalise(scores(signal, extra), is_present), state

  def coefficients(answer, signal, losses, state, **extra):
    scaled = scores(signal, extra)
    return answer * (1 + scaled - jnp.vdot(answer, scaled))

  return Ascent(
    init=lambda num_tasks: (),
    update=update,
    coefficients=coefficients if through_softmax else None,
    needs=needs_step(temperature),
  )


def cvar(fraction: float) -> Ascent:
  """Best response whose weights are at most 1 / (fraction K).

    q_k = 1 / (fraction K)  on the floor(fraction K) largest signals,
    the remainder on the next one

  so that q . signal is the mean over the worst `fraction` of the tasks. Tasks
  that tie share the weight of their ranks; the authors' code gives it to one
  of them.

  Args:
    fraction: In (0, 1]. 1 gives uniform weights; 1 / K or less puts all on the
      largest.

  Returns:
    An `Ascent`.

  Raises:
    ValueError: If `fraction` is outside its range.

  References:
    Levy et al., Large-Scale Methods for Distributionally Robust Optimization
    (NeurIPS 2020), and their code.
  """
  check_range("fraction", fraction, 0, 1, open_low=True)

  def update(signal, log_task_weights, state, is_present, **extra):
    # fraction K in full precision for each number of present tasks: .3 * 10
    # must be 3.
    sizes = [fraction * max(n, 1) for n in range(signal.shape[0] + 1)]
    size = jnp.asarray(sizes, jnp.float32)[is_present.sum()]
    others = is_present[None, :]
    above = (others & (signal[None, :] > signal[:, None])).sum(1)
    tied = (others & (signal[None, :] == signal[:, None])).sum(1)
    # What the n largest hold together is min(n, size) / size.
    held = jnp.minimum(above + tied, size) - jnp.minimum(above, size)
    weights = held / (size * jnp.maximum(tied, 1))
    return log_of(weights, is_present), state

  return Ascent(init=lambda num_tasks: (), update=update)


def chi_square(radius: float) -> Ascent:
  """Best response within a chi-square ball around the uniform weights.

    argmax_q  q . signal   where  1/2 mean_k (K q_k - 1)^2 <= radius

  which is q proportional to (signal - eta)_+ with eta such that the bound is
  met. If K / n <= 1 + 2 radius, with n tasks at the largest signal, they share
  everything and the bound need not be met; so they do if
  K <= 1 + 2 radius.

  Solved in closed form, where the authors' code bisects to within 1e-4: the
  mean square of (signal - eta)_+ over its squared mean grows with eta, so a
  task is active exactly if that ratio, with eta at its own signal, is above
  1 + 2 radius; given the active ones, eta is the root of a quadratic. Where
  all signals agree to 1e-5 their code returns uniform weights and this one
  the best response.

  Args:
    radius: >= 0. 0 gives uniform weights.

  Returns:
    An `Ascent`.

  Raises:
    ValueError: If `radius` is outside its range.

  References:
    Levy et al. (NeurIPS 2020), constrained chi-square, and their
    code.
  """
  check_range("radius", radius, 0)

  def update(signal, log_task_weights, state, is_present, **extra):
    num_present = jnp.maximum(is_present.sum(), 1)
    values = _below_largest(signal, is_present)
    spread = -jnp.min(values, where=is_present, initial=0.0)
    values /= jnp.where(spread > 0, spread, 1.0)

    gaps = _gaps(values, is_present)
    total = gaps.sum(1)
    shares = gaps / jnp.where(total > 0, total, 1.0)[:, None]
    ratio = num_present * jnp.square(shares).sum(1)
    is_active = is_present & ((total == 0) | (ratio > 1 + 2 * radius))

    n = jnp.maximum(is_active.sum(), 1)
    above_mean = jnp.where(is_active, values - _mean(values, is_active, n), 0.0)
    scale = jnp.abs(above_mean).max()
    above_mean /= jnp.where(scale > 0, scale, 1.0)  # Its squares stay normal.
    squares = jnp.square(above_mean).sum()
    # K sum_k q_k^2 = 1 + 2 radius, with q_k = (1 + slope above_mean_k) / n.
    room = jnp.maximum(n - num_present + 2 * radius * n, 0.0)
    slope = jnp.sqrt(
      n * room / (num_present * jnp.where(squares > 0, squares, 1.0))
    )
    weights = jnp.where(
      is_active, jnp.maximum(1 + slope * above_mean, 0.0), 0.0
    )
    return log_of(_normalise(weights), is_present), state

  return Ascent(init=lambda num_tasks: (), update=update)


def chi_square_penalised(penalty: float) -> Ascent:
  """Best response of an adversary that pays the chi-square divergence.

    argmax_q  q . signal - penalty * 1/2 mean_k (K q_k - 1)^2
      = (signal - eta)_+ / (penalty K),   eta such that it sums to 1

  the Euclidean projection of signal / (penalty K) onto the simplex.

  Args:
    penalty: > 0, in the unit of the signal.

  Returns:
    An `Ascent`.

  Raises:
    ValueError: If `penalty` is outside its range.

  References:
    Levy et al. (NeurIPS 2020), penalised chi-square, and their
    code, which bisects to within 1e-4.
  """
  check_range("penalty", penalty, 0, open_low=True)

  def update(signal, log_task_weights, state, is_present, **extra):
    num_present = jnp.maximum(is_present.sum(), 1)
    values = _below_largest(signal, is_present) / (penalty * num_present)
    values = jnp.maximum(values, -LARGEST_SCORE)
    gaps = _gaps(values, is_present)
    # With eta at the signal of an active task, the sum is below 1.
    is_active = is_present & (gaps.sum(1) < 1)
    n = jnp.maximum(is_active.sum(), 1)
    weights = 1 / n + values - _mean(values, is_active, n)
    weights = jnp.where(is_active, jnp.maximum(weights, 0.0), 0.0)
    return log_of(_normalise(weights), is_present), state

  return Ascent(init=lambda num_tasks: (), update=update)


def _below_largest(signal, is_present):
  """Signals less the largest one, so <= 0; 0 for absent tasks."""
  signal = jnp.clip(signal, -LARGEST_SCORE, LARGEST_SCORE)
  largest = jnp.max(signal, where=is_present, initial=-LARGEST_SCORE)
  return jnp.where(is_present, signal - largest, 0.0)


def _mean(values, is_active, n):
  return jnp.where(is_active, values, 0.0).sum() / n


def _normalise(weights):
  total = weights.sum()
  return weights / jnp.where(total > 0, total, 1.0)


def _gaps(values, is_present):
  """[k, j]: how far signal j stands above eta, if eta is at signal k."""
  above = jnp.maximum(values[None, :] - values[:, None], 0.0)
  return jnp.where(is_present[None, :], above, 0.0)
