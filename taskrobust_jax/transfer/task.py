"""What a downstream task is, and what it asks of an encoder.

To add one: rows (a `RowSource` whose rows have what the encoder reads, and
"label"), a head of `heads.py`, an objective of `objectives.py`, together in a
`DownstreamTask`. Whatever is pre-trained gives an `Encoder`. Nothing else in
this folder knows of text or pictures but the files that are named after them.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from taskrobust_jax.train.batches import RowSource

Arrays = Mapping[str, jax.Array]


class Encoder(NamedTuple):
  """A pre-trained model, without what it was pre-trained with.

  Attributes:
    params: Nested dict of f32 arrays, to start from.
    encode: (params, rows, dropout_key or `None`) -> hidden states, any tree
      with the leading axis B.
    width: D.
    flops: rows -> floating-point operations of one forward pass over one row.
  """

  params: Any
  encode: Callable[[Any, Arrays, jax.Array | None], Any]
  width: int
  flops: Callable[[Mapping[str, np.ndarray]], float]


class Head(NamedTuple):
  """From hidden states to outputs.

  Attributes:
    init: key -> params.
    features: (hidden, rows) -> [B, ...], what the head reads of the hidden
      states. It has no params: a frozen encoder's features are computed once.
    apply: (params, features, dropout_key or `None`) -> outputs [B, ...] f32.
    flops: Of one forward pass over one row.
  """

  init: Callable[[jax.Array], Any]
  features: Callable[[Any, Arrays], jax.Array]
  apply: Callable[[Any, jax.Array, jax.Array | None], jax.Array]
  flops: float


class Objective(Protocol):
  """A loss to train with, and scores to be judged by.

  Attributes:
    score_name: The primary one of `scores`; higher is better.
  """

  score_name: str

  def losses(
    self, outputs: jax.Array, rows: Arrays
  ) -> tuple[jax.Array, jax.Array]:
    """(sums [B] f32, counts [B] f32): of each row's targets."""
    ...

  def keep(self, outputs: jax.Array, rows: Arrays) -> tuple[jax.Array, ...]:
    """Arrays [B, ...]: what is kept of rows to compute the scores from."""
    ...

  def scores(self, *kept: np.ndarray) -> dict[str, float]:
    """Finite numbers, from what was kept of n rows."""
    ...


@dataclasses.dataclass(frozen=True)
class DownstreamTask:
  """A downstream task.

  Attributes:
    name: Such as "CoLA"; a folder is named after it.
    train: The rows to train on.
    eval: The rows to select and judge on.
    head: Its head.
    objective: Its loss and scores.
    digest: Of the rows.
    classes: [n] int, a class for each training row, whose shares a draw of
      fewer examples keeps; `None` where there is none.
    augment: (training rows, key) -> rows, under `jit`; `None` for nothing. A
      frozen encoder sees rows as they are.
  """

  name: str
  train: RowSource
  eval: RowSource
  head: Head
  objective: Objective
  digest: str
  classes: np.ndarray | None = None
  augment: Callable[[Arrays, jax.Array], Arrays] | None = None


class ArrayRows:
  """Rows in memory."""

  def __init__(self, arrays: Mapping[str, np.ndarray]):
    """Takes arrays with one leading axis."""
    self.arrays = dict(arrays)

  def __len__(self) -> int:
    return len(next(iter(self.arrays.values())))

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    return {name: array[indices] for name, array in self.arrays.items()}


class Subset:
  """Some rows of a source."""

  def __init__(self, source: RowSource, chosen: np.ndarray):
    """Takes the rows `chosen`, [n] int64, in this order."""
    self.source, self.chosen = source, chosen

  def __len__(self) -> int:
    return len(self.chosen)

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    return self.source.read(self.chosen[indices])
