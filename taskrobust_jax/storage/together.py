"""What several processes must see alike before they go on together."""

import jax
from jax.experimental import multihost_utils
import numpy as np


def of_first_process(numbers: list[int]) -> list[int]:
  """The list of process 0; others' views of a shared folder may be late.

  Args:
    numbers: Each in [0, 2^31).
  """
  if jax.process_count() == 1:
    return numbers
  size = int(multihost_utils.broadcast_one_to_all(np.int32(len(numbers))))
  padded = (numbers + [0] * size)[:size]
  told = multihost_utils.broadcast_one_to_all(np.array(padded, np.int32))
  return [int(number) for number in told]


def largest(number: int) -> int:
  """The largest of all processes' numbers."""
  if jax.process_count() == 1:
    return number
  return int(np.max(multihost_utils.process_allgather(np.int32(number))))
