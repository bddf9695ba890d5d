"""Saddle points of smooth convex losses to float64, by Newton's method."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from scipy import special

Array = Any  # numpy.ndarray or jax.Array.


class Solution(NamedTuple):
  """A saddle point and its certificate.

  Attributes:
    params: [n], max_k L_k(params) = `upper`.
    task_weights: [K] on the simplex.
    upper: >= V.
    lower: <= V: the minimum over x of task_weights . L(x), or a bound of it.
  """

  params: np.ndarray
  task_weights: np.ndarray
  upper: float
  lower: float


class Smooth(NamedTuple):
  """Losses with two derivatives, for Newton's method.

  Attributes:
    losses: As in `Problem`.
    derivatives: `derivatives(x) -> (losses [K], gradients [K, n], Hessians
      [K, n, n])`.
    convexity: mu > 0 such that every mixture of the losses is mu-strongly
      convex.
    data: What they are made of.
  """

  losses: Callable[[Array, ModuleType], Array]
  derivatives: Callable[[np.ndarray], tuple[np.ndarray, ...]]
  convexity: float
  data: tuple[np.ndarray, ...]


def smoothed_minimiser(
  smooth: Smooth, temperature: float, start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """The minimiser of t log sum_k exp(L_k / t) and its task weights, by Newton.

  Args:
    smooth: The losses.
    temperature: t > 0.
    start: [n].

  Returns:
    (x [n], softmax(L(x) / t) [K]).
  """

  def value(x):
    return temperature * special.logsumexp(smooth.losses(x, np) / temperature)

  x = start
  for _ in range(200):
    losses, gradients, hessians = smooth.derivatives(x)
    weights = special.softmax(losses / temperature)
    gradient = weights @ gradients
    # Rounding of L / t moves the weights by that much.
    if np.linalg.norm(gradient) < 1e-13 * max(1.0, 1 / temperature):
      break
    away = gradients - gradient
    hessian = np.tensordot(weights, hessians, 1)
    hessian += np.einsum("k,ki,kj->ij", weights, away, away) / temperature
    step = -np.linalg.solve(hessian, gradient)
    size, now, expected = 1.0, value(x), 1e-4 * gradient @ step
    while size > 1e-6 and value(x + size * step) > now + size * expected:
      size /= 2
    if size <= 1e-6:  # Rounding hides what is left to gain.
      break
    x = x + size * step
  return x, weights


def solve_smooth(smooth: Smooth, start: np.ndarray) -> Solution:
  """The saddle point of smooth losses, and its certificate.

  Smoothed minimisers for falling temperatures, then Newton's method on the
  conditions of Karush, Kuhn and Tucker for the tasks that have weight:
  sum_k q_k grad L_k = 0, L_k = v, sum_k q_k = 1.

  The lower bound: q . L is mu-strongly convex, so its minimum is at least
  q . L(x) - |grad (q . L)(x)|^2 / (2 mu), over the whole space.

  Args:
    smooth: The losses.
    start: [n].

  Returns:
    A `Solution`, of the problem on the whole space.
  """
  x = start
  for temperature in np.geomspace(1.0, 1e-4, 7):
    x, weights = smoothed_minimiser(smooth, temperature, x)
  n, active = len(x), np.flatnonzero(weights > 1e-5)
  q, value = weights[active] / weights[active].sum(), 0.0
  for _ in range(10):
    losses, gradients, hessians = smooth.derivatives(x)
    of_active = gradients[active]
    m = len(active)
    system = np.zeros((n + m + 1, n + m + 1))
    system[:n, :n] = np.tensordot(q, hessians[active], 1)
    system[:n, n : n + m] = of_active.T
    system[n : n + m, :n] = of_active
    system[n : n + m, -1] = -1
    system[-1, n : n + m] = 1
    wrong = np.concatenate(
      [q @ of_active, losses[active] - value, [q.sum() - 1]]
    )
    step = np.linalg.solve(system, -wrong)
    x, q, value = x + step[:n], q + step[n : n + m], value + step[-1]
  task_weights = np.zeros(len(weights))
  task_weights[active] = np.maximum(q, 0)
  task_weights /= task_weights.sum()
  losses, gradients, _ = smooth.derivatives(x)
  slope = task_weights @ gradients
  return Solution(
    x,
    task_weights,
    upper=float(losses.max()),
    lower=float(task_weights @ losses - slope @ slope / (2 * smooth.convexity)),
  )
