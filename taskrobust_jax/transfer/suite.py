"""A downstream task as a task suite, K = 1."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from taskrobust_jax.transfer.task import Arrays, DownstreamTask, Encoder


@dataclasses.dataclass(frozen=True)
class DownstreamSuite:
  """A `TaskSuite` of one downstream task.

  Params are {"encoder": ..., "head": ...}, or {"head": ...} alone where the
  encoder is frozen and rows hold its "features".

  Attributes:
    task: The task.
    encoder: `None` if it is frozen.
  """

  task: DownstreamTask
  encoder: Encoder | None

  @property
  def task_names(self) -> tuple[str, ...]:
    return (self.task.name,)

  def outputs(
    self, params: Any, rows: Arrays, dropout_key: jax.Array | None = None
  ) -> jax.Array:
    """The head's outputs, [B, ...] f32."""
    keys = (None, None)
    if dropout_key is not None:
      keys = jax.random.split(dropout_key)
    if self.encoder is None:
      features = rows["features"]
    else:
      with jax.named_scope("encode"):
        hidden = self.encoder.encode(params["encoder"], rows, keys[0])
      features = self.task.head.features(hidden, rows)
    with jax.named_scope("head"):
      return self.task.head.apply(params["head"], features, keys[1])

  def per_task_losses(
    self, params: Any, rows: Arrays, rng: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """See `TaskSuite`; losses and counts are [1]."""
    if self.encoder is not None and self.task.augment is not None:
      rows = self.task.augment(rows, jax.random.fold_in(rng, 1))
    outputs = self.outputs(params, rows, rng)
    sums, counts = self.task.objective.losses(outputs, rows)
    count = counts.sum()
    return (sums.sum() / jnp.maximum(count, 1.0))[None], count[None]
