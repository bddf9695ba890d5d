"""Minimax over tasks: gradient descent on params, ascent on task weights.

Imports jax and optax only and reads no files; three lines put it into any optax
loop, in plain JAX (see `transform.ascend`) or with Flax:

  >>> from flax import nnx
  >>> import jax, jax.numpy as jnp, optax
  >>> from taskrobust_jax import minimax
  >>> model = nnx.Linear(1, 1, use_bias=False, rngs=nnx.Rngs(0))
  >>> graph, params = nnx.split(model)
  >>> def per_task_losses(params):  # 4 (x - 1)^2 and (x + 1)^2
  ...   x = nnx.merge(graph, params)(jnp.ones(1))[0]
  ...   return jnp.stack([4 * (x - 1) ** 2, (x + 1) ** 2])
  >>> tx = optax.chain(
  ...   minimax.ascend(minimax.mirror_ascent(0.1), num_tasks=2),
  ...   optax.sgd(0.02))
  >>> @jax.jit
  ... def step(params, state):
  ...   losses, pull_back = jax.vjp(per_task_losses, params)
  ...   updates, state = tx.update(
  ...     pull_back, state, params, task_losses=losses)
  ...   return optax.apply_updates(params, updates), state
  >>> state = tx.init(params)
  >>> for _ in range(1000):
  ...   params, state = step(params, state)
  >>> print(params["kernel"][...].round(3))
  [[0.333]]
"""

from taskrobust_jax.minimax import signals
from taskrobust_jax.minimax.baselines import (
  dynamic_weight_average,
  famo,
  gradnorm,
  random_weights,
  smooth_tchebycheff,
  uncertainty,
)
from taskrobust_jax.minimax.bounds import (
  adversary_regret,
  adversary_regret_bound,
  duality_gap,
)
from taskrobust_jax.minimax.registry import (
  STRATEGIES,
  Strategy,
  make,
  signature,
  table,
)
from taskrobust_jax.minimax.strategies import (
  chi_square,
  chi_square_penalised,
  cvar,
  doremi,
  fixed,
  group_dro,
  has_mean_task_weights,
  mean_task_weights,
  mirror_ascent,
  optimistic_mirror_ascent,
  softmax_weighted,
  uniform,
)
from taskrobust_jax.minimax.transform import (
  ORDERS,
  AscendState,
  ascend,
  ascend_weights,
  find_state,
  task_weights,
)
from taskrobust_jax.minimax.weighting import (
  TaskWeighting,
  WeightingState,
  compose,
)

__all__ = [
  "ORDERS",
  "STRATEGIES",
  "AscendState",
  "Strategy",
  "TaskWeighting",
  "WeightingState",
  "adversary_regret",
  "adversary_regret_bound",
  "ascend",
  "ascend_weights",
  "chi_square",
  "chi_square_penalised",
  "compose",
  "cvar",
  "doremi",
  "duality_gap",
  "dynamic_weight_average",
  "famo",
  "find_state",
  "fixed",
  "gradnorm",
  "has_mean_task_weights",
  "group_dro",
  "make",
  "mean_task_weights",
  "mirror_ascent",
  "optimistic_mirror_ascent",
  "random_weights",
  "signals",
  "signature",
  "smooth_tchebycheff",
  "softmax_weighted",
  "table",
  "task_weights",
  "uncertainty",
  "uniform",
]
