"""Held-out evaluation: every task on every row of a fixed split."""

from collections.abc import Callable
from typing import Any

from clu import metrics as clu_metrics
import flax
import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.checkpoint import WORST_TASK_LOSS
from taskrobust_jax.tasks.suite import TaskSuite, TaskSums
from taskrobust_jax.train.batches import RowSource, load
from taskrobust_jax.train.sharding import replicated
from taskrobust_jax.train.state import TrainState, stream


@flax.struct.dataclass
class TaskMean(clu_metrics.Metric):
  """The mean of each task: sums divided by counts over all batches.

  Attributes:
    total: [K] f32.
    count: [K] f32.
  """

  total: jax.Array
  count: jax.Array

  def merge(self, other: "TaskMean") -> "TaskMean":
    """Adds the sums of both."""
    return TaskMean(self.total + other.total, self.count + other.count)

  def compute(self) -> jax.Array:
    """[K]; NaN for a task without targets."""
    return self.total / self.count


def held_out_losses(suite: TaskSuite) -> Callable[..., jax.Array]:
  """Makes the losses that a `held_out` signal is shown.

  Args:
    suite: The tasks.

  Returns:
    (params, rows, seed of the run) -> losses [K] f32, NaN for a task without
    targets. Every call corrupts the rows alike.
  """

  def losses(params, rows, seed):
    sums = _sums(suite, params, rows, stream("adversary", seed))
    return sums.loss / sums.count

  return losses


def _sums(suite, params, batch, rng) -> TaskSums:
  if hasattr(suite, "per_task_sums"):
    return suite.per_task_sums(params, batch, rng)
  losses, counts = suite.per_task_losses(params, batch, rng)
  total = jnp.where(counts > 0, losses * counts, 0.0)
  return TaskSums(total, jnp.full_like(counts, jnp.nan), counts)


def make_evaluate(
  suite: TaskSuite,
  source: RowSource,
  mesh: Mesh,
  *,
  batch_size: int,
  max_rows: int,
  seed: int,
) -> Callable[[Any], dict[str, float]]:
  """Makes the held-out evaluation of a run.

  Each row is corrupted in the same way every time: the keys come from a stream
  of their own, which knows no step.

  Args:
    suite: The tasks.
    source: The held-out rows.
    mesh: The devices.
    batch_size: Rows at a time; the last batch is filled with empty rows.
    max_rows: Only the first so many rows are used; 0 for all.
    seed: Of the run.

  Returns:
    `evaluate(params) -> {"eval/loss/<task>": ..., ...}`: loss, accuracy (where
    the suite's `per_task_sums` tells it) and count of each task that has
    targets, and `eval/worst_task_loss` and `eval/mean_task_loss` over them;
    `eval/worst_task_loss_low` and `_high`, the 95 % band of a bootstrap over
    batches, if there are at least five.
  """

  @jax.jit(out_shardings=replicated(mesh))
  def sums_of_batch(params, batch, seed, index):
    rng = jax.random.fold_in(stream("evaluate", seed), index)
    sums = _sums(suite, params, batch, rng)
    return clu_metrics.Collection.create_collection(
      loss=TaskMean(sums.loss, sums.count),
      accuracy=TaskMean(sums.correct, sums.count),
    )

  num_rows = min(len(source), max_rows or len(source))
  num_batches = -(-num_rows // batch_size)
  rows = np.full(num_batches * batch_size, -1)
  rows[:num_rows] = np.arange(num_rows)
  batches = rows.reshape(num_batches, batch_size)

  def evaluate(params: Any) -> dict[str, float]:
    collection, parts = None, []
    for index, batch_rows in enumerate(batches):
      sums = sums_of_batch(
        params, load(source, batch_rows, mesh), np.uint32(seed), index
      )
      parts.append(sums.loss)
      collection = sums if collection is None else collection.merge(sums)
    if collection is None:
      return {}
    counts = np.asarray(collection.loss.count)
    computed = jax.device_get(collection.compute())
    seen = [k for k in range(len(counts)) if counts[k] > 0]

    values = {}
    for k in seen:
      name = suite.task_names[k]
      values[f"eval/loss/{name}"] = float(computed["loss"][k])
      if not np.isnan(computed["accuracy"][k]):
        values[f"eval/accuracy/{name}"] = float(computed["accuracy"][k])
      values[f"eval/count/{name}"] = float(counts[k])
    losses = computed["loss"][seen]
    if seen:
      values[WORST_TASK_LOSS] = float(losses.max())
      values["eval/mean_task_loss"] = float(losses.mean())
      if num_batches >= 5:
        parts = jax.device_get(parts)
        low, high = worst_task_band(
          np.stack([part.total for part in parts])[:, seen],
          np.stack([part.count for part in parts])[:, seen],
        )
        values["eval/worst_task_loss_low"] = low
        values["eval/worst_task_loss_high"] = high
    return values

  return evaluate


def evaluate_state(
  evaluate: Callable[[Any], dict[str, float]], state: TrainState
) -> dict[str, float]:
  """Held-out values of a state's params, and of their mean where it has one.

  Args:
    evaluate: From `make_evaluate`.
    state: The state.

  Returns:
    What `evaluate` returns; for the mean, with `eval_averaged` for `eval`.

  Raises:
    InputError: If no task has a target there.
  """
  values = evaluate(state.params)
  if WORST_TASK_LOSS not in values:
    raise InputError(
      "no task has a target in the held-out rows that are evaluated: raise "
      "evaluation.max_rows (0 for all), or choose other tasks"
    )
  if state.averages:
    of_mean = evaluate(state.averages.params)
    values |= {
      key.replace("eval/", "eval_averaged/", 1): value
      for key, value in of_mean.items()
    }
  return values


def worst_task_band(
  totals: np.ndarray, counts: np.ndarray, num_samples: int = 1000
) -> tuple[float, float]:
  """A 95 % band of the worst task's loss, by a bootstrap over batches.

  Args:
    totals: [N, K] sums of losses of N batches.
    counts: [N, K] targets.
    num_samples: How often N batches are drawn with replacement.

  Returns:
    (low, high): the 2.5 and 97.5 percentiles of max_k loss_k.
  """
  num_batches = len(totals)
  drawn = np.random.default_rng(0).multinomial(
    num_batches, np.full(num_batches, 1 / num_batches), num_samples
  )
  counts = drawn @ counts.astype(np.float64)
  # A task that a sample has no target of is not its worst.
  losses = np.divide(
    drawn @ totals.astype(np.float64),
    counts,
    out=np.full(counts.shape, -np.inf),
    where=counts > 0,
  )
  low, high = np.percentile(losses.max(1), (2.5, 97.5))
  return float(low), float(high)
