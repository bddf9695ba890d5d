"""A task suite: K tasks whose losses come from one forward pass."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp


@runtime_checkable
class TaskSuite(Protocol):
  """What training asks of the tasks; any object with these two will do.

  A suite may also have `batch_multiple`, what B must be a multiple of, such as
  K where rows serve tasks in turn; 1 if it has none. And `check_batch_size(B)`,
  which raises InputError.

  A suite may also have `per_task_sums(params, batch, rng) -> TaskSums`, which
  evaluation then uses instead: there every row may serve all tasks, and
  accuracies are known where they have a meaning.

  A suite may also have `uses_task_weights`, a bool. If it is true, the step
  calls `per_task_losses(params, batch, rng, task_weights)` with the adversary's
  weights before this batch: [K] f32, over all tasks, absent ones included. They
  may decide which rows serve which task; the losses stay unweighted. Whoever
  has no adversary calls it without them.

  A suite may also have `per_task_gradients(params, batch, rng) -> (losses,
  counts, gradients)`: as `per_task_losses`, and the gradient of each loss, a
  tree like params whose leaves have a leading axis K. It is for strategies that
  ask for gradient norms; a suite without it, or one that returns `None`, gives
  them by K backward passes.

  A suite may also have `takes_parts`, a bool. If it is true,
  `per_task_losses(..., part=Part)` takes a part of a global batch and draws for
  its rows what it would draw for them in the whole batch; then a batch can be
  computed in microbatches (`train/accumulation.py`).

  Attributes:
    task_names: K distinct names.
  """

  @property
  def task_names(self) -> tuple[str, ...]: ...

  def per_task_losses(
    self, params: Any, batch: Any, rng: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Losses of all tasks on one global batch.

    Args:
      params: Tree of f32 arrays.
      batch: Tree of arrays with leading axis B, the global batch.
      rng: A key; row i draws from `fold_in(key, i)`, so that what is drawn
        depends on the row's place in the global batch and on nothing else.

    Returns:
      (losses [K] f32, counts [K] f32). A loss is the sum over the task's
      targets divided by their count over the whole global batch, never a mean
      of means. A count of 0 marks an absent task, whose loss is then ignored.
    """
    ...


class Part(NamedTuple):
  """Which rows of a global batch a batch holds.

  Row i of the part must serve the task that row `rows[i]` of the whole serves.

  Attributes:
    rows: [B] int32, their places in the global batch.
    num_rows: Of the global batch.
  """

  rows: jax.Array
  num_rows: int


def row_keys(key: jax.Array, rows: jax.Array) -> jax.Array:
  """[B] keys, each from the row's place in the global batch."""
  return jax.vmap(jax.random.fold_in, (None, 0))(key, rows)


def whole(num_rows: int) -> Part:
  """The part that is a whole batch of so many rows."""
  return Part(jnp.arange(num_rows), num_rows)


class TaskSums(NamedTuple):
  """Sums over the targets of each task.

  Attributes:
    loss: [K] f32.
    correct: [K] f32, targets predicted right; NaN for a task whose targets are
      no classes.
    count: [K] f32, targets.
  """

  loss: jax.Array
  correct: jax.Array
  count: jax.Array  # type: ignore[assignment]  # Tuples have a method count.

  def means(self) -> tuple[jax.Array, jax.Array]:
    """(losses [K], counts [K]): what `per_task_losses` returns."""
    return self.loss / jnp.maximum(self.count, 1.0), self.count
