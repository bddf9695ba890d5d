"""TPU chips: what their maker says of them, and abstract ones to compile for.

Numbers are those of docs.cloud.google.com/tpu/docs/{v4,v5e,v5p,v6e}, read in
November 2026. Of links the sum over a chip's links in one direction, half of
the bidirectional bandwidth that is published; of v4 it is from Jouppi et al.,
TPU v4 (ISCA 2023), table 4. No program reaches them.
"""

from collections.abc import Sequence
import importlib.util
import os
import re
from typing import Any, NamedTuple

import jax

from taskrobust_jax.errors import InputError


class Chip(NamedTuple):
  """One chip.

  Attributes:
    flops: Peak of bfloat16 products of matrices a second.
    memory: Bytes of HBM.
    memory_bandwidth: Bytes a second.
    link_bandwidth: Bytes a second that it can send to other chips of its slice.
    network_bandwidth: Bytes a second to other slices, a chip's share of its
      pod's network; `None` where it is not published.
  """

  flops: float
  memory: float
  memory_bandwidth: float
  link_bandwidth: float
  network_bandwidth: float | None = None


CHIPS = {
  "v4": Chip(275e12, 32 * 2**30, 1200e9, 300e9),
  "v5e": Chip(197e12, 16 * 2**30, 819e9, 200e9, 6.4e12 / 8 / 256),
  "v5p": Chip(459e12, 95 * 2**30, 2765e9, 600e9, 50e9 / 8),
  "v6e": Chip(918e12, 32 * 2**30, 1638e9, 400e9),
}


class Topology(NamedTuple):
  """Chips in their slices.

  Attributes:
    name: Such as "v5e:16x16".
    num_slices: Of this shape each.
    chip: One of them.
    devices: Abstract ones, one a chip, to compile for.
  """

  name: str
  num_slices: int
  chip: Chip
  devices: Sequence[Any]


def topology(name: str, num_slices: int = 1) -> Topology:
  """Describes chips by name, such as "v5e:16x16"; libtpu knows their shapes.

  Raises:
    InputError: If there is no such chip or shape, or libtpu is not installed.
  """
  match = re.fullmatch(r"(\w+):(\d+(?:x\d+)+)", name)
  if not match or match[1] not in CHIPS:
    raise InputError(
      f"--topology must be CHIP:SHAPE with a chip of {', '.join(CHIPS)}, such "
      f"as v5e:16x16 or v4:2x2x4, got {name!r}"
    )
  if importlib.util.find_spec("libtpu") is None:
    raise InputError(
      "the TPU compiler is not installed: pip install 'taskrobust_jax[tpu]' "
      "(or EXTRA=tpu bash launch/install.sh); it needs no TPU"
    )
  from jax.experimental import topologies

  # It would ask Google's metadata server where it runs.
  os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
  try:
    devices = topologies.get_topology_desc(
      platform="tpu",
      topology_name=name,
      **({"num_slices": num_slices} if num_slices > 1 else {}),
    ).devices
  except (jax.errors.JaxRuntimeError, ValueError, RuntimeError) as error:
    raise InputError(f"--topology={name}: {error}") from error
  return Topology(name, num_slices, CHIPS[match[1]], devices)
