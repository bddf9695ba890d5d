"""One number that tells whether two runs have seen the same rows in order."""

import hashlib

import numpy as np


class OrderDigest:
  """A hash chain over the global batches of a run.

    h_0 = sha256(data digest),  h_s = sha256(h_{s-1}, rows of batch s - 1)

  It is a function of data, seed and step: devices and processes have no part in
  it, and a checkpoint carries it over a restart.
  """

  def __init__(self, data_digest: str, value: str | None = None):
    """Starts at step 0, or goes on.

    Args:
      data_digest: Of the dataset.
      value: `hexdigest()` at an earlier step.
    """
    first = hashlib.sha256(data_digest.encode()).hexdigest()
    self._value = bytes.fromhex(value or first)

  def add(self, rows: np.ndarray) -> str:
    """Takes the rows of the next global batch; returns `hexdigest()`.

    Args:
      rows: [B] int64.
    """
    rows = np.ascontiguousarray(rows, "<i8")
    self._value = hashlib.sha256(self._value + rows.tobytes()).digest()
    return self.hexdigest()

  def hexdigest(self) -> str:
    """After all batches so far: 64 hexadecimal digits."""
    return self._value.hex()


def as_number(value: str) -> int:
  """The first 48 bits of a digest, which a JSON number holds exactly."""
  return int(value[:12], 16)
