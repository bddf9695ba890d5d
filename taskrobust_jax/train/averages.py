"""Means over training: of the params, and of the task weights.

The guarantees of descent and mirror ascent are for the mean of the iterates;
the last ones may circle around the saddle.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.errors import InputError


class Averages(NamedTuple):
  """Means of what the steps so far have ended with.

  Attributes:
    params: As the params.
    task_weights: [K] f32, of the coefficients of the losses.
  """

  params: Any
  task_weights: jax.Array

  def update(
    self, params: Any, task_weights: jax.Array, step: jax.Array, decay: float
  ) -> "Averages":
    """Takes in the outcome of a step.

      mean <- mean + max(1 / (step + 1), 1 - decay) (value - mean)

    The plain mean at first, an exponential one of some 1 / (1 - decay) steps
    from then on; the plain mean throughout if `decay` is 1.

    Args:
      params: After the step.
      task_weights: [K], those of the step.
      step: The batches consumed before it.
      decay: In (0, 1].

    Returns:
      The new means.
    """
    rate = jnp.maximum(1 / (step + 1), 1 - decay)
    return jax.tree.map(
      lambda mean, value: mean + rate * (value - mean),
      self,
      Averages(params, task_weights),
    )


def check_decay(decay: float) -> None:
  """Raises InputError unless a decay is in [0, 1]; 0 stands for no means."""
  if not 0 <= decay <= 1:
    raise InputError(
      f"optimizer.average_decay must be in [0, 1] (0 for none), got {decay}"
    )
