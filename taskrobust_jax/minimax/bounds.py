"""Certificates: how far the adversary and the pair are from the saddle."""

import math
from typing import Any

import jax
import jax.numpy as jnp


def adversary_regret(
  task_losses: jax.Array, task_weights: jax.Array
) -> jax.Array:
  """Average regret of the weights against the best fixed task.

    max_k (1/T) sum_t L_tk  -  (1/T) sum_t q_t . L_t

  Args:
    task_losses: [T, K]. What the adversary was shown at each step.
    task_weights: [T, K]. The weights it held *before* it saw them.

  Returns:
    A scalar; it may be negative.
  """
  gained = (task_losses * task_weights).sum(1).mean()
  return task_losses.mean(0).max() - gained


def adversary_regret_bound(
  step_size: float, num_steps: int, num_tasks: int, signal_range: float
) -> float:
  """Bound on the average regret of plain mirror ascent, without smoothing.

    log K / (step_size T) + step_size B^2 / 8

  Args:
    step_size: > 0.
    num_steps: T, >= 1.
    num_tasks: K, >= 1.
    signal_range: B, >= 0: largest less smallest signal, the largest over steps.

  Returns:
    The bound, in the unit of the signal.

  Raises:
    ValueError: If `step_size` or `num_steps` is not positive.

  References:
    Cesa-Bianchi and Lugosi, Prediction, Learning, and Games (2006), theorem
    2.2.
  """
  if not step_size > 0 or num_steps < 1:
    raise ValueError(
      f"step_size must be > 0 and num_steps >= 1, got {step_size}, {num_steps}"
    )
  return (
    math.log(num_tasks) / (step_size * num_steps)
    + step_size * signal_range**2 / 8
  )


def duality_gap(
  problem: Any, params: Any, task_weights: jax.Array
) -> jax.Array:
  """Duality gap of a pair on a convex problem.

    max_k L_k(params)  -  min_x task_weights . L(x)

  It is 0 at a saddle point and positive elsewhere if every L_k is convex. For
  a deep network the second term cannot be computed, and there is no gap.

  Args:
    problem: Has `per_task_losses(params) -> [K]`, each convex, and
      `minimise(task_weights) -> params`, the exact minimum of the weighted
      loss.
    params: The minimiser's point.
    task_weights: [K], the adversary's point on the simplex.

  Returns:
    A scalar.

  Raises:
    ValueError: If the problem has no `minimise`; outside `jit` also if the gap
      is negative, which for a convex problem and its minimum it cannot be.
  """
  if not hasattr(problem, "minimise"):
    raise ValueError(
      f"{type(problem).__name__} has no minimise(task_weights): a duality gap "
      "exists where the weighted loss is convex and its minimum is known"
    )
  worst = problem.per_task_losses(params).max()
  minimum = problem.minimise(task_weights)
  lower = jnp.vdot(task_weights, problem.per_task_losses(minimum))
  gap = worst - lower
  if not isinstance(gap, jax.core.Tracer):
    rounding = 1e-5 * max(1.0, abs(float(worst)), abs(float(lower)))
    if gap < -rounding:
      raise ValueError(
        f"the duality gap is {float(gap):.3g} < 0: the problem is not convex, "
        "minimise is not exact, or task_weights are not on the simplex"
      )
  return gap
