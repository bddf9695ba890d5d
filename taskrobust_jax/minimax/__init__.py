"""Minimax over tasks: gradient descent on params, ascent on task weights.

Imports jax and optax only and reads no files; three lines put it into any optax
loop (see `transform.py`).
"""

from taskrobust_jax.minimax.strategies import (
  STRATEGIES,
  fixed,
  group_dro,
  make,
  mirror_ascent,
  signature,
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
  "TaskWeighting",
  "WeightingState",
  "ascend",
  "ascend_weights",
  "compose",
  "find_state",
  "fixed",
  "group_dro",
  "make",
  "mirror_ascent",
  "signature",
  "softmax_weighted",
  "task_weights",
  "uniform",
]
