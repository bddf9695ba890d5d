"""SGD and Adam for parameters of which a task has one.

A task that is absent keeps its parameter, its moments and its count, so that
the bias correction of Adam is right for a task that is rarely there. With all
tasks present it is torch.optim's SGD and Adam (weight decay is added to the
gradient).
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import (
  ScalarOrSchedule,
  check_choice,
  check_range,
)

OPTIMIZERS: tuple[str, ...] = ("adam", "sgd")
_B1, _B2, _EPS = 0.9, 0.999, 1e-8
_LARGEST_GRADIENT = 1e15  # Its square is a float32.


class Descent(NamedTuple):
  """Parameters and their optimizer state.

  Attributes:
    values: [K] f32, the parameters.
    mean: [K] f32, Adam's first moment.
    square: [K] f32, Adam's second moment.
    num_steps: [K] i32, how often each parameter has moved.
  """

  values: jax.Array
  mean: jax.Array
  square: jax.Array
  num_steps: jax.Array

  @classmethod
  def start(cls, value: float, num_tasks: int) -> "Descent":
    zeros = jnp.zeros(num_tasks)
    return cls(
      jnp.full(num_tasks, value, jnp.float32),
      zeros,
      zeros,
      jnp.zeros(num_tasks, jnp.int32),
    )

  def step(
    self,
    gradient: jax.Array,
    moves: jax.Array,
    *,
    optimizer: str,
    learning_rate: jax.Array | float,
    weight_decay: float = 0.0,
  ) -> "Descent":
    """One step of the parameters where `moves`.

    Args:
      gradient: [K] f32.
      moves: [K] bool.
      optimizer: One of `OPTIMIZERS`.
      learning_rate: >= 0.
      weight_decay: >= 0, times the parameter, added to its gradient.

    Returns:
      The new state.
    """
    gradient = jnp.clip(gradient, -_LARGEST_GRADIENT, _LARGEST_GRADIENT)
    gradient += weight_decay * self.values
    mean, square, num_steps = self.mean, self.square, self.num_steps + 1
    direction = gradient
    if optimizer == "adam":
      mean = _B1 * mean + (1 - _B1) * gradient
      square = _B2 * square + (1 - _B2) * jnp.square(gradient)
      # 1 - b^n: float32 would keep four digits of 1 - .999.
      mean_share = -jnp.expm1(num_steps * math.log(_B1))
      square_share = -jnp.expm1(num_steps * math.log(_B2))
      root = jnp.sqrt(square / square_share)
      direction = mean / mean_share / (root + _EPS)
    moved = Descent(
      self.values - learning_rate * direction, mean, square, num_steps
    )
    return jax.tree.map(
      lambda new, old: jnp.where(moves, new, old), moved, self
    )


def check_descent(
  optimizer: str, learning_rate: ScalarOrSchedule, weight_decay: float = 0.0
) -> None:
  """Raises ValueError unless the arguments of `Descent.step` are legal."""
  check_choice("optimizer", optimizer, OPTIMIZERS)
  check_range("learning_rate", learning_rate, 0)
  check_range("weight_decay", weight_decay, 0)
