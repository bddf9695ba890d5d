"""Convex minimax problems whose value is known, with constants for bounds.

  V = min over x in a convex set, max over k, of L_k(x)

Everything here is float64 NumPy, except that `losses` also takes jax.numpy. A
value is not trusted to its solver: `Solution` holds an upper and a lower bound
of it, each evaluated by itself, whose difference certifies it.
"""

from collections.abc import Callable
import functools
import math
from types import ModuleType
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from taskrobust_jax.benchmarks.convergence_saddles import (
  Array,
  Smooth,
  Solution,
  solve_smooth,
)


class Problem(NamedTuple):
  """K convex losses over a convex set, and what the bounds need of them.

  Attributes:
    name: For tables.
    losses: `losses(x, xp) -> [K]`, with xp numpy or jax.numpy.
    start: [n], x_0.
    project: `project(x, xp) -> [n]`, the nearest point of the set.
    radius: R >= |x - x_0| for all x of the set.
    lipschitz: G >= the norm of every (sub)gradient of every loss, on the set.
    smoothness: l, the Lipschitz constant of the gradients on the set;
      math.inf if a loss has a kink.
    loss_range: B >= max_k L_k(x) - min_k L_k(x), on the set.
    solution: The saddle point.
  """

  name: str
  losses: Callable[[Array, ModuleType], Array]
  start: np.ndarray
  project: Callable[[Array, ModuleType], Array]
  radius: float
  lipschitz: float
  smoothness: float
  loss_range: float
  solution: Solution

  @property
  def num_tasks(self) -> int:
    return self.solution.task_weights.shape[0]

  def gap(self, params: Array) -> float:
    """max_k L_k(params) - V, in float64; >= 0 up to the certificate."""
    losses = self.losses(np.asarray(params, np.float64), np)
    return float(losses.max() - self.solution.lower)


def quadratics(
  num_tasks: int = 4, num_params: int = 10, seed: int = 0
) -> Problem:
  """K strongly convex quadratics in a ball.

    L_k(x) = 1/2 (x - c_k)' A_k (x - c_k) + b_k

  with eigenvalues of A_k in [.1, 1]. No quadratic is Lipschitz on the whole
  space, so G is taken on the ball: |A_k| (R + |c_k|).

  Args:
    num_tasks: K.
    num_params: n.
    seed: Of A, b and c.

  Returns:
    A `Problem`.
  """
  smooth = smooth_quadratics(num_tasks, num_params, seed)
  matrices, centres, offsets = smooth.data
  norms = np.linalg.norm(matrices, 2, axis=(1, 2))
  lengths = np.linalg.norm(centres, axis=1)
  solution, radius = _in_ball(smooth, np.zeros(num_params))
  reach = norms * (radius + lengths)
  return Problem(
    name="quadratics",
    losses=smooth.losses,
    start=np.zeros(num_params),
    project=functools.partial(_project_ball, radius=radius),
    radius=radius,
    lipschitz=reach.max(),
    smoothness=norms.max(),
    loss_range=(reach * (radius + lengths) / 2 + offsets).max() - offsets.min(),
    solution=solution,
  )


def smooth_quadratics(num_tasks: int, num_params: int, seed: int) -> Smooth:
  """The losses of `quadratics`."""
  random = np.random.default_rng(seed)
  shape = (num_tasks, num_params, num_params)
  turns = np.linalg.qr(random.normal(size=shape))[0]
  eigenvalues = random.uniform(0.1, 1.0, shape[:2])
  matrices = np.einsum("kij,kj,klj->kil", turns, eigenvalues, turns)
  centres = random.normal(size=shape[:2])
  offsets = random.uniform(0, 0.5, num_tasks)

  def losses(x, xp):
    away = x - centres
    return 0.5 * xp.einsum("ki,kij,kj->k", away, matrices, away) + offsets

  def derivatives(x):
    return (
      losses(x, np),
      np.einsum("kij,kj->ki", matrices, x - centres),
      matrices,
    )

  data = (matrices, centres, offsets)
  return Smooth(losses, derivatives, eigenvalues.min(), data)


def logistic(name: str, ridge: float = 0.01) -> Problem:
  """K ridge logistic regressions that share their parameters, on real data.

    L_k(x) = mean over the rows of group k of log(1 + exp(-y a . x))
             + ridge / 2 |x|^2

  "breast_cancer": malignant or benign, groups by quartile of the mean texture
  (4). "digits": is it k or k + 5, one group a k (5). Features are standardised
  over all rows, a constant is added, and all is divided by sqrt(n). The set is
  a ball.

  Args:
    name: "breast_cancer" or "digits", a data set in scikit-learn.
    ridge: > 0.

  Returns:
    A `Problem`.
  """
  from sklearn import datasets

  features, target = getattr(datasets, f"load_{name}")(return_X_y=True)
  if name == "digits":
    groups, labels = target % 5, np.where(target >= 5, 1.0, -1.0)
  else:
    edges = np.quantile(features[:, 1], [0.25, 0.5, 0.75])
    groups = np.searchsorted(edges, features[:, 1])
    labels = np.where(target > 0, 1.0, -1.0)
  features = features[:, features.std(0) > 0]
  features = (features - features.mean(0)) / features.std(0)
  features = np.column_stack([features, np.ones(len(features))])
  rows = labels[:, None] * features / math.sqrt(features.shape[1])
  shares = np.stack([groups == k for k in range(groups.max() + 1)])
  shares = shares / shares.sum(1, keepdims=True)  # [K, rows], rows sum to 1.

  def losses(x, xp):
    return shares @ xp.logaddexp(0.0, -(rows @ x)) + 0.5 * ridge * (x @ x)

  def derivatives(x):
    chance = special.expit(-(rows @ x))
    gradients = -shares @ (chance[:, None] * rows) + ridge * x
    spread = shares * (chance * (1 - chance))
    hessians = squares(spread) + ridge * np.eye(len(x))
    return losses(x, np), gradients, hessians

  def squares(shares):
    return np.stack([(rows.T * share) @ rows for share in shares])

  lengths = np.linalg.norm(rows, axis=1)
  second = squares(shares)
  smooth = Smooth(losses, derivatives, ridge, (rows, shares))
  start = np.zeros(rows.shape[1])
  solution, radius = _in_ball(smooth, start)
  return Problem(
    name=name,
    losses=losses,
    start=start,
    project=functools.partial(_project_ball, radius=radius),
    radius=radius,
    lipschitz=(shares @ lengths).max() + ridge * radius,
    smoothness=np.linalg.norm(second, 2, axis=(1, 2)).max() / 4 + ridge,
    # The ridge is common to all; what is left is >= 0.
    loss_range=(shares @ np.logaddexp(0.0, lengths * radius)).max(),
    solution=solution,
  )


def matrix_game(
  num_tasks: int = 8, num_params: int = 8, seed: int = 0
) -> Problem:
  """A zero-sum game: L(x) = A x with x on the simplex too, A uniform (-1, 1).

  Gradients are centred for G, since a constant added to one moves no point of
  the simplex.
  """
  payoff = np.random.default_rng(seed).uniform(-1, 1, (num_tasks, num_params))
  centred = payoff - payoff.mean(1, keepdims=True)
  # v such that A x <= v, x on the simplex.
  found = optimize.linprog(
    np.append(np.zeros(num_params), 1.0),
    A_ub=np.column_stack([payoff, -np.ones(num_tasks)]),
    b_ub=np.zeros(num_tasks),
    A_eq=np.append(np.ones(num_params), 0.0)[None],
    b_eq=[1.0],
    bounds=[(0, None)] * num_params + [(None, None)],
    method="highs",
  )
  params = _normalise(found.x[:-1])
  task_weights = _normalise(-found.ineqlin.marginals)
  return Problem(
    name="matrix game",
    losses=lambda x, xp: payoff @ x,
    start=np.full(num_params, 1 / num_params),
    project=_project_simplex,
    radius=math.sqrt(1 - 1 / num_params),
    lipschitz=np.linalg.norm(centred, axis=1).max(),
    smoothness=0.0,
    loss_range=np.ptp(payoff, axis=0).max(),
    solution=Solution(
      params,
      task_weights,
      upper=float((payoff @ params).max()),
      lower=float((task_weights @ payoff).min()),
    ),
  )


def piecewise_linear(
  num_tasks: int = 4, num_pieces: int = 4, num_params: int = 5, seed: int = 0
) -> Problem:
  """K losses with kinks in the box |x_i| <= 1.

  L_k(x) = max_j (a_kj . x + b_kj), with normal a and b.
  """
  random = np.random.default_rng(seed)
  slopes = random.normal(size=(num_tasks, num_pieces, num_params))
  offsets = random.normal(size=(num_tasks, num_pieces))
  flat = slopes.reshape(-1, num_params)
  found = optimize.linprog(
    np.append(np.zeros(num_params), 1.0),
    A_ub=np.column_stack([flat, -np.ones(len(flat))]),
    b_ub=-offsets.ravel(),
    bounds=[(-1, 1)] * num_params + [(None, None)],
    method="highs",
  )
  params = np.clip(found.x[:-1], -1, 1)
  shares = _normalise(-found.ineqlin.marginals)  # Of the pieces of all tasks.
  low = (offsets - np.abs(slopes).sum(2)).max(1).min()

  def losses(x, xp):
    return (slopes @ x + offsets).max(1)

  return Problem(
    name="piecewise linear",
    losses=losses,
    start=np.zeros(num_params),
    project=lambda x, xp: xp.clip(x, -1.0, 1.0),
    radius=math.sqrt(num_params),
    lipschitz=np.linalg.norm(flat, axis=1).max(),
    smoothness=math.inf,
    loss_range=(offsets + np.abs(slopes).sum(2)).max() - low,
    solution=Solution(
      params,
      shares.reshape(num_tasks, -1).sum(1),
      upper=float(losses(params, np).max()),
      lower=float(shares @ offsets.ravel() - np.abs(shares @ flat).sum()),
    ),
  )


def _in_ball(smooth, start):
  """The solution, and the radius of a ball around `start` that holds it.

  The solution of the whole space, inside of the ball, is that of the ball. Its
  norm would not be known in use; the bounds need some R, and a larger one is a
  looser bound.
  """
  solution = solve_smooth(smooth, start)
  return solution, 1.5 * float(np.linalg.norm(solution.params - start))


def _normalise(weights):
  weights = np.maximum(weights, 0.0)
  return weights / weights.sum()


def _project_ball(x, xp, radius):
  return x * xp.minimum(1.0, radius / xp.maximum(xp.linalg.norm(x), 1e-30))


def _project_simplex(x, xp):
  """The nearest point of the simplex: (x - shift)_+ with sum 1."""
  falling = -xp.sort(-x)
  shifts = (xp.cumsum(falling) - 1) / xp.arange(1, len(x) + 1)
  # The shift of the largest support that is consistent is the largest one.
  return xp.maximum(x - shifts.max(), 0.0)
