"""Which task each row of a batch serves, where the rows follow the weights.

With equal rows a task, the gradient sum_k q_k grad L_k gives a row of task k
the weight q_k / (B / K): rows of a task of small weight q_k are all but thrown
away, and the batch shrinks to B / (K sum_k q_k^2) rows in effect. With rows in
proportion to the weights, every row weighs the same.
"""

import jax
import jax.numpy as jnp

from taskrobust_jax.errors import InputError


def default_min_rows(num_rows: int, num_tasks: int) -> int:
  """A sixteenth of an equal share, max(1, B // (16 K))."""
  return max(1, num_rows // (16 * num_tasks))


def check_rows(num_rows: int, num_tasks: int, min_rows: int) -> None:
  """Raises InputError unless every task can have `min_rows` of the rows."""
  if num_tasks * min_rows > num_rows:
    raise InputError(
      f"batch_size must be at least {num_tasks} tasks x min_rows = {min_rows}: "
      f"{num_tasks * min_rows}, got {num_rows}"
    )


def assign_rows(
  key: jax.Array, task_weights: jax.Array, num_rows: int, min_rows: int
) -> jax.Array:
  """Draws the task of each row by systematic sampling.

    n_k = min_rows + floor(c_k + u) - floor(c_{k-1} + u),
    c_k = (B - K min_rows) (q_1 + ... + q_k),  u uniform in [0, 1)

  so that E[n_k] = min_rows + (B - K min_rows) q_k, no n_k is a whole row away
  from it, and they sum to B. Which rows these are is a random permutation:
  every row is equally likely to serve a task, whatever the batch's order. The
  result depends on nothing but the arguments: it is the same for every number
  of devices and processes.

  Args:
    key: A key.
    task_weights: [K] float, q. Only their proportions count. Of weights off the
      simplex it is the size that counts, |q_k|; one that is not finite counts
      as 0; if all are 0, the tasks share equally.
    num_rows: B.
    min_rows: The fewest rows of a task, in [1, B / K]. A task that is served by
      no row would have no loss, and the adversary could not bring it back.

  Returns:
    [B] int32 in [0, K), the task of each row.

  Raises:
    InputError: If K min_rows exceeds B.
  """
  (num_tasks,) = task_weights.shape
  check_rows(num_rows, num_tasks, min_rows)
  offset_key, order_key = jax.random.split(key)
  weights = jnp.abs(task_weights.astype(jnp.float32))
  # Nor may their sum overflow.
  weights = jnp.where(jnp.isfinite(weights), jnp.minimum(weights, 1e30), 0.0)
  weights = jnp.where(weights.sum() > 0, weights, 1.0)

  to_draw = num_rows - num_tasks * min_rows
  expected = to_draw * jnp.cumsum(weights / weights.sum())
  drawn = jnp.floor(expected + jax.random.uniform(offset_key))
  # Rounding must not take a row from a task, nor bring one too many.
  drawn = jax.lax.cummax(jnp.minimum(drawn, to_draw)).astype(jnp.int32)
  ends = drawn + min_rows * jnp.arange(1, num_tasks + 1)
  # The last task ends with the batch.
  in_order = (jnp.arange(num_rows)[:, None] >= ends[:-1]).sum(-1)
  return jax.random.permutation(order_key, in_order.astype(jnp.int32))
