"""Methods for convex minimax problems, each with the bound of its gap.

The adversary is the package's own in every method, so the iterates are float32
and gaps below about 1e-6 cannot be seen; the gap itself is evaluated in
float64. K tasks, T steps; R, G, l, B: see `convergence_problems.Problem`. The
bounds are derived here by textbook arguments, which are named; none is claimed
to be a theorem of the paper's, which could not be read.

With two players, both steps are taken at once, from x_t and q_t as they were
before step t (`order="simultaneous"`), since the bounds are for that.
"""

from collections.abc import Callable, Sequence
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from taskrobust_jax import minimax
from taskrobust_jax.benchmarks.convergence_problems import Problem
from taskrobust_jax.minimax import bounds


class Plan(NamedTuple):
  """Steps chosen from R, G, l, B, K and T alone, and what they promise.

  Attributes:
    learning_rate: Of x.
    step_size: Of the task weights; of a smoothed maximum, its temperature.
    bound: Of max_k L_k(x) - V at the x that the method returns.
  """

  learning_rate: float
  step_size: float
  bound: float


class Method(NamedTuple):
  """A method.

  Attributes:
    plan: `plan(problem, T) -> Plan`.
    run: `run(problem, learning_rate, step_size, T) -> x [n]`, traceable.
    rate: The power of T in the bound.
    takes_kinks: Whether the bound is finite for losses with kinks.
  """

  plan: Callable[[Problem, int], Plan]
  run: Callable[..., jax.Array]
  rate: float
  takes_kinks: bool = False


def measure(
  problem: Problem, method: Method, all_num_steps: Sequence[int]
) -> list[tuple[float, float]]:
  """(gap, bound) of the method for each T, each run with its own steps."""
  run = jax.jit(lambda *numbers: method.run(problem, *numbers))
  found = []
  for num_steps in all_num_steps:
    plan = method.plan(problem, num_steps)
    x = run(plan.learning_rate, plan.step_size, num_steps)
    found.append((problem.gap(x), plan.bound))
  return found


def slope(all_num_steps: Sequence[int], gaps: Sequence[float]) -> float:
  """Least squares slope of log gap over log T."""
  return float(np.polyfit(np.log(all_num_steps), np.log(gaps), 1)[0])


def plan_smoothed(problem: Problem, num_steps: int) -> Plan:
  """Steps of descent on the smoothed maximum.

    F(x) = t log sum_k exp(L_k(x) / t),   max L <= F <= max L + t log K

  F is convex, and smooth with constant S = l + G^2 / t: its Hessian is
  sum_k q_k Hess L_k + Cov_q(grad L) / t. T steps of projected descent with
  1 / S have F(x_T) - min F <= S R^2 / (2 T), so

    gap <= l R^2 / (2 T) + G^2 R^2 / (2 t T) + t log K
         = l R^2 / (2 T) + G R sqrt(2 log K / T)
    with  t = G R / sqrt(2 T log K)

  References:
    Nesterov, Smooth minimization of non-smooth functions (2005), for the
    smoothing; Beck, First-Order Methods in Optimization (2017), theorem 10.21,
    for descent.
  """
  radius, lipschitz, log_k = _constants(problem)
  temperature = lipschitz * radius / math.sqrt(2 * num_steps * log_k)
  return Plan(
    1 / (problem.smoothness + lipschitz**2 / temperature),
    temperature,
    problem.smoothness * radius**2 / (2 * num_steps)
    + lipschitz * radius * math.sqrt(2 * log_k / num_steps),
  )


def plan_accelerated(problem: Problem, num_steps: int) -> Plan:
  """Steps of accelerated descent on the smoothed maximum.

    gap <= 2 S R^2 / (T + 1)^2 + t log K
         = 2 l R^2 / (T + 1)^2 + 2 sqrt(2) G R sqrt(log K) / (T + 1)
    with  t = sqrt(2) G R / ((T + 1) sqrt(log K))

  References:
    Nesterov (2005), as in `plan_smoothed`; Tseng, On accelerated proximal
    gradient methods (2008), Algorithm 1, whose points all lie in the set.
  """
  radius, lipschitz, log_k = _constants(problem)
  later = num_steps + 1
  temperature = math.sqrt(2 / log_k) * lipschitz * radius / later
  return Plan(
    1 / (problem.smoothness + lipschitz**2 / temperature),
    temperature,
    2 * problem.smoothness * radius**2 / later**2
    + 2 * math.sqrt(2 * log_k) * lipschitz * radius / later,
  )


def plan_mirror_ascent(problem: Problem, num_steps: int) -> Plan:
  """Steps of projected descent against mirror ascent, averaged over t < T.

  Both regrets add up to the gap of the mean of x_0 ... x_{T-1}:

    gap <= R^2 / (2 a T) + a G^2 / 2  +  log K / (e T) + e B^2 / 8
         = G R / sqrt(T) + B sqrt(log K / (2 T))
    with  a = R / (G sqrt(T)),  e = sqrt(8 log K / T) / B

  References:
    Zinkevich, Online convex programming (2003), for descent; Cesa-Bianchi and
    Lugosi, Prediction, Learning, and Games (2006), theorem 2.2, for the
    weights; Freund and Schapire (1999) for their sum.
  """
  radius, lipschitz, log_k = _constants(problem)
  step_size = math.sqrt(8 * log_k / num_steps) / problem.loss_range
  return Plan(
    radius / (lipschitz * math.sqrt(num_steps)),
    step_size,
    lipschitz * radius / math.sqrt(num_steps)
    + bounds.adversary_regret_bound(
      step_size, num_steps, problem.num_tasks, problem.loss_range
    ),
  )


def plan_mirror_prox(problem: Problem, num_steps: int) -> Plan:
  """Steps of mirror-prox, averaged over the T points in between.

  In the norm |x|^2 / a + |q|_1^2 / e the field (sum_k q_k grad L_k, -L) is
  Lipschitz with a constant of at most a l + sqrt(a e) G, and
  |x - x_0|^2 / (2 a) + KL(q, uniform) / e is 1-strongly convex. If the constant
  is at most 1,

    gap <= (R^2 / (2 a) + log K / e) / T = (l R^2 + G R sqrt(2 log K)) / T
    with  e = 2 a log K / R^2,  a = 1 / (l + G sqrt(2 log K) / R)

  A step takes two gradients.

  References:
    Nemirovski, Prox-method with rate of convergence O(1/t) (2004).
  """
  return _plan_of_constant(problem, num_steps, 1.0)


def plan_optimistic(problem: Problem, num_steps: int) -> Plan:
  """Steps of optimistic descent-ascent, averaged over t = 1 ... T.

    z_{t+1} = argmin_z <2 F(z_t) - F(z_{t-1}), z> + D(z, z_t)

  with F and D as in `plan_mirror_prox`, and F(z_0) in the place of F(z_{-1}).
  The three-point inequality, summed, leaves on the right D(z, z_0) and

    <F_T - F_{T-1}, z_T - z> - D(z, z_T)
      + sum_t (c/2 |d_t|^2 + c/2 |d_{t+1}|^2 - 1/2 |d_{t+1}|^2)

  with d_t = z_t - z_{t-1} and c the Lipschitz constant of F: <= 0 if c <= 1/2.
  So steps half as large as those of mirror-prox, and twice its bound; a step
  takes one gradient.

  References:
    Rakhlin and Sridharan, Optimization, Learning, and Games with Predictable
    Sequences (2013); Malitsky and Tam (2020), whose argument in Euclidean norm
    this is with Bregman divergences, derived here.
  """
  return _plan_of_constant(problem, num_steps, 0.5)


def run_smoothed(problem, learning_rate, temperature, num_steps):
  """x_T of projected gradient descent on the smoothed maximum."""
  tx = optax.chain(
    minimax.ascend(
      minimax.softmax_weighted(lambda step: temperature), problem.num_tasks
    ),
    optax.sgd(learning_rate),
  )

  def step(_, carry):
    return _descend(problem, tx, *carry)

  x = _start(problem)
  return jax.lax.fori_loop(0, num_steps, step, (x, tx.init(x)))[0]


def run_accelerated(problem, learning_rate, temperature, num_steps):
  """x_T of accelerated descent on the smoothed maximum."""
  link = minimax.ascend(
    minimax.softmax_weighted(lambda step: temperature), problem.num_tasks
  )

  def step(t, carry):
    x, z, state = carry
    share = 2 / (t + 2)
    y = (1 - share) * x + share * z
    gradient, state = _gradient(problem, link, y, state)
    z = problem.project(z - learning_rate / share * gradient, jnp)
    return (1 - share) * x + share * z, z, state

  x = _start(problem)
  return jax.lax.fori_loop(0, num_steps, step, (x, x, link.init(x)))[0]


def run_mirror_ascent(problem, learning_rate, step_size, num_steps):
  """Mean of x_0 ... x_{T-1} of descent against mirror ascent."""
  tx = _mirror_ascent(problem, learning_rate, step_size)

  def step(t, carry):
    x, state, mean = carry
    mean += (x - mean) / (t + 1)
    return *_descend(problem, tx, x, state), mean

  x = _start(problem)
  return jax.lax.fori_loop(0, num_steps, step, (x, tx.init(x), x))[-1]


def run_optimistic(problem, learning_rate, step_size, num_steps):
  """Mean of x_1 ... x_T of optimistic descent-ascent."""
  tx = optax.chain(
    minimax.ascend(
      minimax.optimistic_mirror_ascent(lambda step: step_size),
      problem.num_tasks,
      order="simultaneous",
    ),
    optax.optimistic_gradient_descent(learning_rate),
  )

  def step(t, carry):
    x, state, mean = carry
    x, state = _descend(problem, tx, x, state)
    return x, state, mean + (x - mean) / (t + 1)

  x = _start(problem)
  return jax.lax.fori_loop(0, num_steps, step, (x, tx.init(x), x))[-1]


def run_mirror_prox(problem, learning_rate, step_size, num_steps):
  """Mean of the points in between of mirror-prox."""
  link = minimax.ascend(
    minimax.mirror_ascent(lambda step: step_size),
    problem.num_tasks,
    order="simultaneous",
  )

  def move(x, state, at_x, at_state):
    """From (x, state), along the field at (at_x, at_state)."""
    losses, pull_back = jax.vjp(lambda x: problem.losses(x, jnp), at_x)
    (gradient,) = pull_back(at_state.weighting.task_weights)
    _, state = link.update(pull_back, state, task_losses=losses, step=0)
    return problem.project(x - learning_rate * gradient, jnp), state

  def step(t, carry):
    x, state, mean = carry
    between = move(x, state, x, state)
    x, state = move(x, state, *between)
    return x, state, mean + (between[0] - mean) / (t + 1)

  x = _start(problem)
  return jax.lax.fori_loop(0, num_steps, step, (x, link.init(x), x))[-1]


def measure_regret(problem: Problem, num_steps: int) -> tuple[float, float]:
  """(regret, bound) of the adversary of `run_mirror_ascent`, as certified."""
  plan = plan_mirror_ascent(problem, num_steps)
  tx = _mirror_ascent(problem, plan.learning_rate, plan.step_size)

  def step(carry, _):
    x, state = carry
    held = minimax.find_state(state).weighting.task_weights
    told = problem.losses(x, jnp), held
    return _descend(problem, tx, x, state), told

  x = _start(problem)
  _, (losses, weights) = jax.lax.scan(step, (x, tx.init(x)), length=num_steps)
  seen_range = float(jnp.ptp(losses, axis=1).max())
  return (
    float(bounds.adversary_regret(losses, weights)),
    bounds.adversary_regret_bound(
      plan.step_size, num_steps, problem.num_tasks, seen_range
    ),
  )


METHODS = {
  "smoothed maximum": Method(plan_smoothed, run_smoothed, -0.5),
  "accelerated": Method(plan_accelerated, run_accelerated, -1.0),
  "mirror ascent": Method(plan_mirror_ascent, run_mirror_ascent, -0.5, True),
  "optimistic": Method(plan_optimistic, run_optimistic, -1.0),
  "mirror-prox": Method(plan_mirror_prox, run_mirror_prox, -1.0),
}


def _constants(problem):
  return problem.radius, problem.lipschitz, math.log(problem.num_tasks)


def _plan_of_constant(problem, num_steps, constant):
  radius, lipschitz, log_k = _constants(problem)
  learning_rate = constant / (
    problem.smoothness + lipschitz * math.sqrt(2 * log_k) / radius
  )
  step_size = 2 * learning_rate * log_k / radius**2
  bound = radius**2 / (2 * learning_rate) + log_k / step_size
  return Plan(learning_rate, step_size, bound / num_steps)


def _mirror_ascent(problem, learning_rate, step_size):
  return optax.chain(
    minimax.ascend(
      minimax.mirror_ascent(lambda step: step_size),
      problem.num_tasks,
      order="simultaneous",
    ),
    optax.sgd(learning_rate),
  )


def _start(problem):
  return jnp.asarray(problem.start, jnp.float32)


def _gradient(problem, tx, x, state):
  losses, pull_back = jax.vjp(lambda x: problem.losses(x, jnp), x)
  # A step size that is traced is given as a schedule, which needs `step`.
  return tx.update(pull_back, state, x, task_losses=losses, step=0)


def _descend(problem, tx, x, state):
  updates, state = _gradient(problem, tx, x, state)
  return problem.project(x + updates, jnp), state
