"""A gradient for each task, for strategies that look at their norms."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax.tasks.suite import TaskSuite
from taskrobust_jax.train.state import stream


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
  losses, counts, gradients = _gradients(suite, params, batch, rng, *more)
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


def _gradients(suite, params, batch, rng, *more):
  """(losses [K], counts [K], gradients with leading axis K)."""
  found = None
  if not more and hasattr(suite, "per_task_gradients"):
    found = suite.per_task_gradients(params, batch, rng)
  if found is not None:
    return found
  losses, pull_back, counts = jax.vjp(
    lambda params: suite.per_task_losses(params, batch, rng, *more),
    params,
    has_aux=True,
  )
  (gradients,) = jax.vmap(pull_back)(jnp.eye(len(losses), dtype=losses.dtype))
  return losses, counts, gradients


def shares_and_cosines(
  suite: TaskSuite, params: Any, batches: Iterable[Any], seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """How much of the data each task is, and how alike the tasks are.

  Args:
    suite: The tasks.
    params: Where the gradients are taken.
    batches: Global batches, at least one.
    seed: Of what is drawn.

  Returns:
    (shares [K], cosines [K, K]), float64: the share of all targets that is each
    task's; the cosine of the angle between the tasks' gradients, each the mean
    over the batches. 1 where improving one task improves the other as fast, 0
    where they have nothing in common; NaN for a task without targets.
  """

  @jax.jit
  def one_batch(batch, index):
    rng = jax.random.fold_in(stream("similarity", seed), index)
    _, counts, gradients = _gradients(suite, params, batch, rng)
    return counts, gradients

  total = None
  for index, batch in enumerate(batches):
    found = one_batch(batch, index)
    total = found if total is None else jax.tree.map(jnp.add, total, found)
  counts, gradients = total

  @jax.jit
  def products(gradients):
    rows = [x.reshape(x.shape[0], -1) for x in jax.tree.leaves(gradients)]
    return sum(jnp.matmul(x, x.T, precision="highest") for x in rows)

  table = np.asarray(products(gradients), np.float64)
  norms = np.sqrt(np.diag(table))
  with np.errstate(invalid="ignore"):
    cosines = table / np.outer(norms, norms)
  counts = np.asarray(counts, np.float64)
  return counts / counts.sum(), cosines
