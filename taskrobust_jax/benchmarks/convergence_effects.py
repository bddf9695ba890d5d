"""What softmax weights cost: bias of noise, of the temperature, of a gradient.

Three effects on problems whose answer is known: the weights and the gradients
of one mini-batch are correlated; a temperature smooths the maximum; a gradient
through the softmax descends another function.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from taskrobust_jax import minimax
from taskrobust_jax.benchmarks import convergence_problems as problems
from taskrobust_jax.benchmarks import convergence_saddles as saddles

# Three tasks of one parameter, each to estimate a mean from noisy examples.
_MEANS = np.array([1.0, -1.0, 0.0])
_NOISES = np.array([0.2, 1.0, 0.5])
_TEMPERATURE = 0.5
_DECAY = 0.9
# name -> (signal, order, share of the covariance, share of the variance).
SHOWN = {
  "same batch": (None, "alternating", 1.0, 1.0),
  "weights of the step before": (None, "simultaneous", 0.0, 1.0),
  "ema": (
    minimax.signals.ema(_DECAY),
    "alternating",
    1 - _DECAY,
    (1 - _DECAY) / (1 + _DECAY),
  ),
  "ema, weights of the step before": (
    minimax.signals.ema(_DECAY),
    "simultaneous",
    0.0,
    (1 - _DECAY) / (1 + _DECAY),
  ),
}


def noise_bias(
  batch_size: int,
  shown: str,
  num_runs: int = 256,
  num_steps: int = 4096,
  learning_rate: float = 0.01,
) -> dict[str, Any]:
  """How far noisy softmax weights move the point that descent settles at.

  An example of task k is m_k + s_k e with e ~ N(0, 1), its loss half the
  squared distance of x from it, so L_k(x) = (d_k^2 + s_k^2) / 2 with
  d_k = x - m_k. In a batch of b examples a task the losses J are noisy, and so
  are the weights q = softmax(J / t). To first order in 1 / b the mean gradient
  is

    grad F + sum_k dq_k/dL_k Cov(J_k, grad J_k)
           + 1/2 sum_kj d^2q_k/dL_j^2 Var(J_j) grad L_k

    Cov = s_k^2 d_k / b,   Var = (d_k^2 s_k^2 + s_k^4 / 2) / b

  a term of covariance and one of curvature, and the point that descent settles
  at moves from the smoothed minimiser by -1 / F'' times these: towards the
  noisy tasks. Weights of the step before know nothing of this batch's noise: no
  covariance, but all of the curvature. A moving average with decay d leaves
  1 - d of the covariance and (1 - d) / (1 + d) of the variance. Neither takes
  another pass over data.

  Args:
    batch_size: b >= 2, examples a task and step.
    shown: A key of `SHOWN`.
    num_runs: Independent runs, whose mean is taken.
    num_steps: Of each; the mean is over its second half.
    learning_rate: Of descent, small: a bias of its own order adds to the one
      that is measured.

  Returns:
    A row: `shift`, the mean of all iterates less the smoothed minimiser;
    `error`, the standard deviation of that mean; `predicted`, the shift to
    first order in 1 / b.
  """
  signal, order, covariance_share, variance_share = SHOWN[shown]
  target, of_covariance, of_variance = noise_prediction()
  tx = optax.chain(
    minimax.ascend(
      minimax.softmax_weighted(_TEMPERATURE, signal=signal), 3, order
    ),
    optax.sgd(learning_rate),
  )

  # Of the noise e of a batch, losses and gradients hold two numbers only.
  random = np.random.default_rng(0)
  shape = (num_steps, num_runs, 3)
  mean = random.normal(size=shape) / math.sqrt(batch_size)
  square = mean**2 + random.chisquare(batch_size - 1, shape) / batch_size

  def descend(x, state, mean, square):
    def batch_losses(x):
      away = x - _MEANS
      return 0.5 * (away**2 - 2 * away * _NOISES * mean + _NOISES**2 * square)

    losses, pull_back = jax.vjp(batch_losses, x)
    updates, state = tx.update(pull_back, state, x, task_losses=losses)
    return x + updates, state

  def step(carry, of_batch):
    t, x, state, total = carry
    x, state = jax.vmap(descend)(x, state, *of_batch)
    total += jnp.where(t >= num_steps // 2, x - target, 0.0)
    return (t + 1, x, state, total), None

  @jax.jit
  def run(x, *of_batches):
    carry = 0, x, jax.vmap(tx.init)(x), 0.0 * x
    return jax.lax.scan(step, carry, of_batches)[0][-1]

  total = run(
    jnp.full(num_runs, target, jnp.float32),
    *(x.astype(np.float32) for x in (mean, square)),
  )
  shifts = np.asarray(total, np.float64) / (num_steps - num_steps // 2)
  return {
    "shown": shown,
    "batch_size": batch_size,
    "shift": float(shifts.mean()),
    "error": float(shifts.std(ddof=1) / num_runs**0.5),
    "predicted": (
      covariance_share * of_covariance + variance_share * of_variance
    )
    / batch_size,
  }


def noise_prediction() -> tuple[float, float, float]:
  """The smoothed minimiser; its shifts by covariance and curvature at b = 1."""

  def losses(x, xp):
    return 0.5 * (xp.square(x - _MEANS) + _NOISES**2)

  def derivatives(x):
    return losses(x, np), (x - _MEANS)[:, None], np.ones((3, 1, 1))

  t = _TEMPERATURE
  smooth = saddles.Smooth(losses, derivatives, 1.0, ())
  x, q = saddles.smoothed_minimiser(smooth, t, np.zeros(1))
  away = x - _MEANS
  variance = away**2 * _NOISES**2 + _NOISES**4 / 2
  own = q * (1 - q) / t
  second = np.outer(q, q * (2 * q - 1)) / t**2  # d^2 q_k / dL_j^2 at [k, j].
  np.fill_diagonal(second, q * (1 - q) * (1 - 2 * q) / t**2)
  curvature = 1 + (q @ away**2 - (q @ away) ** 2) / t
  return (
    float(x[0]),
    float(-own @ (_NOISES**2 * away) / curvature),
    float(-0.5 * away @ second @ variance / curvature),
  )


def temperature_bias(
  temperature: float | None, seed: int = 0
) -> dict[str, Any]:
  """Excess of the worst loss at the smoothed minimiser, on four quadratics.

  With F = t log sum_k exp(L_k / t), x_t its minimiser and x* the minimax point,
  max L(x_t) <= F(x_t) <= F(x*) <= V + t log K.

  Args:
    temperature: t > 0; `None` averages, the limit of a large t.
    seed: Of the quadratics (see `convergence_problems.quadratics`).

  Returns:
    A row: `excess` = max L(x_t) - V, and its `bound` t log K; `None` for what
    averaging has not.
  """
  smooth = problems.smooth_quadratics(4, 10, seed)
  start = np.zeros(10)
  solution = saddles.solve_smooth(smooth, start)
  if temperature is None:
    matrices, centres, _ = smooth.data
    x = np.linalg.solve(
      matrices.sum(0), np.einsum("kij,kj->i", matrices, centres)
    )
  else:
    x, _ = saddles.smoothed_minimiser(smooth, temperature, start)
  return {
    "temperature": temperature,
    "excess": float(smooth.losses(x, np).max() - solution.lower),
    "bound": temperature and temperature * math.log(4),
  }


def through_the_softmax(
  through_softmax: bool, num_steps: int = 60000
) -> dict[str, Any]:
  """Descent that runs through the softmax is stuck where both tasks are bad.

    L_1(x) = 8 (1 - x / 40)^2,   L_2(x) = log(1 + exp(8 - 8 x)),   t = 1

  from x = 0, where both are 8. Both are convex and 0 at x = 40 (L_2 to within
  e^-312): V = 0, and so is the excess of the smoothed minimiser. Through the
  softmax, descent minimises sum_k q_k L_k, which for two tasks is

    L_1 - t h(u),   u = (L_1 - L_2) / t,   h(u) = u / (1 + e^u)

  h is largest, .278, at u = 1.278, and falls after it. So L_1 - L_2 is held
  near 1.278 t: to let L_2 fall further costs t h at once, and L_1 falls too
  slowly (slope .4 against 8) to pay for it. Where u > 1.278, the coefficient of
  L_2 is negative: the easier task is made worse. Nothing depends on how low V
  is: the distance to the minimax is not bounded by t log K, nor by anything.

  Args:
    through_softmax: As in `minimax.softmax_weighted`.
    num_steps: Of descent with learning rate 1 / 80, 1 over the smoothness of
      the smoothed maximum: l + G^2 / t = 16 + 64.

  Returns:
    A row: the last `x`, both `losses` and `excess` = max L - V there, and
    `least_distance`, the smallest |x - 40| on the way.
  """

  def losses_of(x):
    return jnp.stack([8 * jnp.square(1 - x / 40), jax.nn.softplus(8 - 8 * x)])

  tx = optax.chain(
    minimax.ascend(minimax.softmax_weighted(1.0, through_softmax), 2),
    optax.sgd(1 / 80),
  )

  def step(_, carry):
    x, state, least = carry
    losses, pull_back = jax.vjp(losses_of, x)
    updates, state = tx.update(pull_back, state, x, task_losses=losses)
    x += updates
    return x, state, jnp.minimum(least, jnp.abs(x - 40))

  x = jnp.zeros(())
  x, _, least = jax.jit(
    lambda x: jax.lax.fori_loop(
      0, num_steps, step, (x, tx.init(x), jnp.abs(x - 40))
    )
  )(x)
  losses = np.asarray(losses_of(x), np.float64)
  return {
    "through_softmax": through_softmax,
    "x": float(x),
    "losses": losses.tolist(),
    "excess": float(losses.max()),
    "bound": math.log(2),
    "least_distance": float(least),
  }
