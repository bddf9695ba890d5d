"""Features of a frozen encoder, computed once and then read like rows."""

from collections.abc import Sequence

import jax
from jax.sharding import Mesh
import numpy as np

from taskrobust_jax.train import batches
from taskrobust_jax.train.batches import RowSource
from taskrobust_jax.train.sharding import replicated
from taskrobust_jax.transfer.task import Encoder, Head


class Features:
  """The rows of a source, as their features and labels.

  Attributes:
    source: The rows themselves.
  """

  def __init__(
    self,
    source: RowSource,
    encoder: Encoder,
    head: Head,
    mesh: Mesh,
    batch_size: int,
  ):
    """Computes nothing yet; `compute` does.

    Args:
      source: The rows.
      encoder: The frozen encoder; no dropout.
      head: It says what is kept of the hidden states.
      mesh: The devices.
      batch_size: Rows at a time.
    """
    self.source = source
    self._mesh, self._batch_size = mesh, batch_size
    self._params = jax.device_put(encoder.params, replicated(mesh))
    self._is_known = np.zeros(len(source), bool)
    self._features = self._labels = None

    @jax.jit(out_shardings=replicated(mesh))
    def features_of(params, rows):
      return head.features(encoder.encode(params, rows, None), rows)

    self._features_of = features_of

  def __len__(self) -> int:
    return len(self.source)

  def compute(self, indices: np.ndarray) -> None:
    """Computes what is not known yet of these rows."""
    indices = np.asarray(indices)
    missing = indices[~self._is_known[indices]]
    size = self._batch_size
    for start in range(0, len(missing), size):
      wanted = missing[start : start + size]
      batch = batches.load(
        self.source, batches.padded(wanted, size), self._mesh
      )
      found = np.asarray(self._features_of(self._params, batch))
      labels = self.source.read(wanted)["label"]
      if self._features is None:
        self._features = np.empty((len(self), *found.shape[1:]), found.dtype)
        self._labels = np.empty((len(self), *labels.shape[1:]), labels.dtype)
      self._features[wanted] = found[: len(wanted)]
      self._labels[wanted] = labels
    self._is_known[missing] = True

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    """Rows that were computed before: "features" and "label"."""
    return {
      "features": self._features[indices],
      "label": self._labels[indices],
    }
