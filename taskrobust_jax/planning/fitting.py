"""The largest batch whose program fits on a chip."""

from collections.abc import Mapping
import math

from ml_collections import ConfigDict

from taskrobust_jax.errors import InputError
from taskrobust_jax.planning.chips import Topology
from taskrobust_jax.planning.plan import DoesNotFit, Plan, make_plan
from taskrobust_jax.planning.without_data import dataset_of
from taskrobust_jax.train.build import build


def largest_batch(config: ConfigDict, topology: Topology, report=print) -> Plan:
  """Finds the largest batch that fits; `config.batch_size` is where it begins.

  Memory is nearly a linear function of the batch, which tells where to look;
  the answer is a program that compiled, while the next larger legal batch did
  not.

  Args:
    config: As for `make_plan`.
    topology: From `chips.topology`.
    report: Is told of every try.

  Returns:
    The plan of the largest one.

  Raises:
    InputError: If not even one unit (tasks x data x fsdp x microbatches) fits.
  """
  config = config.copy_and_resolve_references()
  unit = build(config, dataset_of(config), devices=topology.devices).batch_unit
  seen, best, too_large = {}, None, math.inf
  number = max(1, config.batch_size // unit)
  while number < too_large:
    config.batch_size = number * unit
    try:
      best = make_plan(config, topology)
      seen[number], capacity = best.bytes_in_all, best.memory
      report(f"batch {number * unit:,} fits: {_gib(seen[number])}")
    except DoesNotFit as error:
      too_large = min(too_large, number)
      seen[number], capacity = error.wanted, error.capacity
      report(f"batch {number * unit:,} does not: {_gib(seen[number])}")
    smallest = best.batch_size // unit if best else 0
    if too_large - smallest == 1:
      break
    number = _next(seen, capacity, smallest, too_large)
  if best is None:
    raise InputError(
      f"not even a batch of {unit} rows fits on {topology.name}: it wants "
      f"{_gib(seen[1])} of {_gib(capacity)}; take model.remat or more "
      "mesh.fsdp"
    )
  return best


def _next(
  seen: Mapping[int, float], capacity: float, fits: int, too_large: float
) -> int:
  """A number between one that fits and one that does not."""
  low, high = fits + 1, min(too_large - 1, 8 * max(fits, 1))
  guess = 2 * fits if too_large == math.inf else (fits + too_large) // 2
  if len(seen) > 1:
    (n1, b1), (n2, b2) = sorted(seen.items(), key=lambda x: abs(x[0] - guess))[
      :2
    ]
    slope = (b2 - b1) / (n2 - n1)
    if slope > 0:
      guess = math.floor(n1 + (capacity - b1) / slope)
  return int(min(max(guess, low), high))


def _gib(num_bytes: float) -> str:
  return f"{num_bytes / 2**30:.2f} GiB"
