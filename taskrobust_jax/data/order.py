"""Which rows make batch s: a function of (seed, s) without any state."""

import functools

import numpy as np

from taskrobust_jax import errors


class Order:
  """The order in which a run reads the rows of a split.

  Every epoch is a new permutation of all rows. A batch may reach over the end
  of an epoch; with more rows in a batch than in the split it repeats some.

  Args:
    num_rows: rows of the split, at least 1.
    batch_size: rows of the global batch, at least 1.
    seed: 0 to 2**32 - 1.

  Raises:
    InputError: an argument out of range.

  >>> order = Order(num_rows=6, batch_size=4, seed=0)
  >>> sorted([*order.rows(0).tolist(), *order.rows(1)[:2].tolist()])
  [0, 1, 2, 3, 4, 5]
  """

  def __init__(self, num_rows: int, batch_size: int, seed: int):
    for name, value, low, high in (
      ("num_rows", num_rows, 1, 2**48),
      ("batch_size", batch_size, 1, 2**24),
      ("seed", seed, 0, 2**32 - 1),
    ):
      if not low <= value <= high:
        raise errors.InputError(f"{name}: {value} is not in {low} to {high}")
    self.num_rows = num_rows
    self.batch_size = batch_size
    self.seed = seed

  def rows(self, step: int) -> np.ndarray:
    """The rows of the global batch of a step.

    Args:
      step: at least 0; the batches consumed before this one.

    Returns:
      int64 [batch_size], indices of rows, whatever was asked before.
    """
    if step < 0:
      raise errors.InputError(f"step: {step} is below 0")
    first = step * self.batch_size
    places = range(first, first + self.batch_size)
    return np.array([self._indices[place] for place in places], np.int64)

  @functools.cached_property
  def _indices(self):
    # Imported here since it takes seconds.
    import grain

    indices = grain.MapDataset.range(self.num_rows)
    return indices.seed(self.seed).shuffle().repeat()


class SmallOrder:
  """As `Order`, for few rows: it holds the permutation of an epoch in memory.

  An index of `Order` costs more the fewer rows there are: some 200 us of 256,
  since it draws below 2**16 until one is legal.

  Args:
    num_rows: rows of the split, at least 1.
    batch_size: rows of the global batch, at least 1.
    seed: 0 to 2**32 - 1.

  >>> order = SmallOrder(num_rows=6, batch_size=4, seed=0)
  >>> sorted([*order.rows(0).tolist(), *order.rows(1)[:2].tolist()])
  [0, 1, 2, 3, 4, 5]
  """

  def __init__(self, num_rows: int, batch_size: int, seed: int):
    self.num_rows = num_rows
    self.batch_size = batch_size
    self.seed = seed
    self._epoch, self._order = -1, np.empty(0, np.int64)

  def rows(self, step: int) -> np.ndarray:
    """The rows of the global batch of a step, int64 [batch_size]."""
    places = step * self.batch_size + np.arange(self.batch_size)
    epochs, within = np.divmod(places, self.num_rows)
    parts = [
      self._permutation(epoch)[within[epochs == epoch]]
      for epoch in range(epochs[0], epochs[-1] + 1)
    ]
    return np.concatenate(parts)

  def _permutation(self, epoch: int) -> np.ndarray:
    if epoch != self._epoch:
      random = np.random.default_rng([self.seed, epoch])
      self._epoch, self._order = epoch, random.permutation(self.num_rows)
    return self._order
