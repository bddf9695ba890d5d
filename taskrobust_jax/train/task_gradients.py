"""A gradient for each task, for strategies that look at their norms."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from taskrobust_jax.tasks.suite import TaskSuite


def vjp_and_norms(
  suite: TaskSuite, params: Any, batch: Any, rng: jax.Array, *more: Any
) -> tuple[jax.Array, Callable[[jax.Array], tuple[Any]], jax.Array, jax.Array]:
  """As `jax.vjp` of the losses, with the norms of the tasks' gradients.

  Holds K gradients at once. A suite with `per_task_gradients` makes them in one
  backward pass, any other in K.

  Args:
    suite: The tasks.
    params: Tree of f32 arrays.
    batch: The global batch.
    rng: The step's key.
    *more: What else `suite.per_task_losses` is given.

  Returns:
    (losses [K], pull_back, counts [K], gradient_norms [K] f32): `pull_back`
    takes task weights [K] to (sum_k q_k grad L_k,). Norms are over all params.
  """
  found = None
  if not more and hasattr(suite, "per_task_gradients"):
    found = suite.per_task_gradients(params, batch, rng)
  if found is None:
    losses, pull_back, counts = jax.vjp(
      lambda params: suite.per_task_losses(params, batch, rng, *more),
      params,
      has_aux=True,
    )
    (gradients,) = jax.vmap(pull_back)(jnp.eye(len(losses), dtype=losses.dtype))
  else:
    losses, counts, gradients = found

  squares = [
    jnp.square(leaf).reshape(len(losses), -1).sum(1)
    for leaf in jax.tree.leaves(gradients)
  ]
  norms = jnp.sqrt(sum(squares))

  def pull_back(task_weights):
    return (
      jax.tree.map(
        lambda leaf: jnp.tensordot(task_weights, leaf, axes=1), gradients
      ),
    )

  return losses, pull_back, counts, norms
