"""Minimax over tasks: gradient descent on params, ascent on task weights.

Imports jax and optax only and reads no files; three lines put it into any optax
loop (see `transform.py`).
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
