"""Scores of a downstream task on the two parts of its dev set."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
import numpy as np

from taskrobust_jax.train import batches
from taskrobust_jax.train.batches import RowSource
from taskrobust_jax.train.sharding import replicated
from taskrobust_jax.transfer.subsets import Halves
from taskrobust_jax.transfer.suite import DownstreamSuite


def make_judge(
  suite: DownstreamSuite,
  source: RowSource,
  mesh: Mesh,
  halves: Halves,
  batch_size: int,
) -> Callable[[Any], dict[str, float]]:
  """Makes the evaluation of a fine-tuning run.

  Args:
    suite: The task.
    source: Its dev set, or the features of it.
    mesh: The devices.
    halves: Which rows select, and which judge.
    batch_size: Rows at a time.

  Returns:
    `judge(params) -> {"select/<score>": ..., "verdict/<score>": ...,
    "eval/loss/<task>": ..., ...}`; a part without rows has no scores. The loss
    is over both parts.
  """
  rows = np.concatenate(halves)
  objective = suite.task.objective

  @jax.jit(out_shardings=replicated(mesh))
  def judge_batch(params, batch, is_row):
    outputs = suite.outputs(params, batch)
    sums, counts = objective.losses(outputs, batch)
    return (
      objective.keep(outputs, batch),
      jnp.where(is_row, sums, 0.0).sum(),
      jnp.where(is_row, counts, 0.0).sum(),
    )

  def judge(params: Any) -> dict[str, float]:
    parts, total, count = [], 0.0, 0.0
    for start in range(0, len(rows), batch_size):
      wanted = rows[start : start + batch_size]
      filled = batches.padded(wanted, batch_size)
      batch = batches.load(source, filled, mesh)
      kept, *sums = judge_batch(params, batch, filled >= 0)
      parts.append([np.asarray(array)[: len(wanted)] for array in kept])
      total, count = total + float(sums[0]), count + float(sums[1])
    kept = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    loss = total / max(count, 1.0)
    values = {
      f"eval/loss/{suite.task.name}": loss,
      "eval/worst_task_loss": loss,
      "eval/mean_task_loss": loss,
    }
    first = len(halves.select)
    for part, place in (
      ("select", slice(None, first)),
      ("verdict", slice(first, None)),
    ):
      if len(rows[place]):
        scores = objective.scores(*(array[place] for array in kept))
        values |= {f"{part}/{name}": score for name, score in scores.items()}
    return values

  return judge
