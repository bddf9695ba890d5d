"""A config's train step, compiled for chips that are not there."""

import re
import time
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from taskrobust_jax.errors import InputError
from taskrobust_jax.planning.chips import Topology
from taskrobust_jax.planning.collectives import (
  Collective,
  find_collectives,
  sent_bytes,
)
from taskrobust_jax.planning.flops import count_flops
from taskrobust_jax.planning.without_data import dataset_of
from taskrobust_jax.train import suites
from taskrobust_jax.train.build import Experiment, build
from taskrobust_jax.train.sharding import num_row_shards


class DoesNotFit(InputError):
  """A program needs more memory than a chip has.

  Attributes:
    wanted: Bytes that the compiler wants on a chip.
    capacity: Bytes that it may take.
  """

  def __init__(self, message: str, wanted: float, capacity: float):
    super().__init__(message)
    self.wanted, self.capacity = wanted, capacity


class Plan(NamedTuple):
  """What the compiler says of a step, and what follows; a chip and step.

  Attributes:
    topology: Such as "v5e:16x16".
    num_slices: How many of them.
    num_chips: In all.
    mesh: Axis -> size.
    batch_size: B, over all chips.
    num_tasks: K.
    num_params: In all.
    compile_seconds: On this machine.
    arguments: Bytes of the state and the batch.
    temporaries: Bytes.
    output: Bytes, without those that take over an argument's memory.
    memory: Bytes of the chip.
    flops: Of products of matrices, what is computed again included.
    collectives: What is sent.
    least_sent: Axis -> bytes that a chip must send at least.
    seconds: Roofline times, an estimate: "arithmetic", "memory" (arguments,
      output and temporaries once each way), "links", "network"; each at the
      chip's peak.
  """

  topology: str
  num_slices: int
  num_chips: int
  mesh: dict[str, int]
  batch_size: int
  num_tasks: int
  num_params: int
  compile_seconds: float
  arguments: int
  temporaries: int
  output: int
  memory: float
  flops: float
  collectives: list[Collective]
  least_sent: dict[str, float]
  seconds: dict[str, float]

  @property
  def bytes_in_all(self) -> int:
    return self.arguments + self.temporaries + self.output


def make_plan(config: ConfigDict, topology: Topology) -> Plan:
  """Compiles the train step of a config; nothing of a dataset is read.

  Args:
    config: As for `pretrain`.
    topology: From `chips.topology`.

  Raises:
    InputError: If the config is not legal, on these devices or at all.
    DoesNotFit: If the program needs more memory than a chip has.
  """
  parts = str(config.minimax.get("signal", "")).split("+")
  if "held_out" in map(str.strip, parts):
    raise InputError(
      "signal held_out reads held-out rows into the program; plan without it"
    )
  dataset = dataset_of(config)
  experiment = build(config, dataset, devices=topology.devices)
  batch = jax.eval_shape(
    lambda row: {
      name: jax.numpy.zeros((config.batch_size, *x.shape[1:]), x.dtype)
      for name, x in row.items()
    },
    dataset.split("train").read([0]),
  )
  began = time.monotonic()
  compiled = _compile(experiment, batch, topology)
  seconds = time.monotonic() - began

  memory = compiled.memory_analysis()
  mesh, chip = experiment.mesh, topology.chip
  found = find_collectives(compiled.as_text(), mesh.shape)
  flops = (
    count_flops(experiment.train_step, experiment.state_shapes, batch)
    / mesh.size
  )
  output = memory.output_size_in_bytes - memory.alias_size_in_bytes
  params = experiment.state_shapes.params
  moved = (
    memory.argument_size_in_bytes
    + memory.output_size_in_bytes
    + 2 * memory.temp_size_in_bytes
  )
  times = {
    "arithmetic": flops / chip.flops,
    "memory": moved / chip.memory_bandwidth,
    "links": sum(row.sent for row in found) / chip.link_bandwidth,
  }
  if topology.num_slices > 1 and chip.network_bandwidth:
    times["network"] = (
      _least_between_slices(
        params, _itemsize(config), mesh, topology.num_slices
      )
      / chip.network_bandwidth
    )
  return Plan(
    topology=topology.name,
    num_slices=topology.num_slices,
    num_chips=mesh.size,
    mesh=dict(mesh.shape),
    batch_size=config.batch_size,
    num_tasks=len(experiment.task_names),
    num_params=sum(x.size for x in jax.tree.leaves(params)),
    compile_seconds=seconds,
    arguments=memory.argument_size_in_bytes,
    temporaries=memory.temp_size_in_bytes,
    output=output,
    memory=chip.memory,
    flops=flops,
    collectives=found,
    least_sent=least_sent(config, experiment),
    seconds=times,
  )


def _compile(experiment: Experiment, batch: Any, topology: Topology) -> Any:
  """The compiled train step."""
  lowered = experiment.train_step.lower(experiment.state_shapes, batch)
  try:
    return lowered.compile()
  except jax.errors.JaxRuntimeError as error:
    sizes = sizes_of(str(error))
    if sizes is None:
      raise
    wanted, capacity = sizes
    raise DoesNotFit(
      f"batch_size {experiment.batch_size:,} does not fit on {topology.name}: "
      f"the program wants {wanted / 2**30:.2f} GiB of a chip's "
      f"{capacity / 2**30:.2f}. Take --fit for the largest batch, "
      "compute.accumulation, model.remat, or more mesh.fsdp",
      wanted,
      capacity,
    ) from error


def sizes_of(message: str) -> tuple[float, float] | None:
  """Bytes wanted and there are, from the compiler's words; `None` without.

  It says "Used 18.5G of 15.75G hbm", or, where temporaries alone are too many,
  "the total memory required for HLO temporaries (140.52G) exceeds available HBM
  (15.75G)".
  """
  size = r"([\d.]+)([KMGT])"
  match = re.search(rf"Used {size} of {size} hbm", message) or re.search(
    rf"\({size}\) exceeds available HBM \({size}\)", message
  )
  if "RESOURCE_EXHAUSTED" not in message or not match:
    return None
  return tuple(
    float(match[i]) * 2 ** (10 * ("KMGT".index(match[i + 1]) + 1))
    for i in (1, 3)
  )


def least_sent(config: ConfigDict, experiment: Experiment) -> dict[str, float]:
  """Bytes that a chip must send in a step, whatever the program.

  data and fsdp: the gradient of every param is reduced over all chips that
    hold other rows; where fsdp splits a param, that is gathered for the forward
    and again for the backward pass. In the compute dtype, in which gradients of
    products of matrices are made (norms' and biases' may be float32).
  tensor: what the two sublayers of a layer add is reduced, forwards and
    backwards, in the compute dtype.
  minimax: K losses and counts are reduced over all rows.

  Args:
    config: `model` is read.
    experiment: Built from it.

  Returns:
    "data+fsdp", "tensor", "minimax" -> bytes.
  """
  mesh = experiment.mesh
  num_shards = num_row_shards(mesh)
  sections = suites.transformers(config)
  itemsize = _itemsize(config)
  rows = 0.0
  for leaf, sharding in zip(
    jax.tree.leaves(experiment.state_shapes.params),
    jax.tree.leaves(experiment.state_sharding.params),
    strict=True,
  ):
    spec = sharding.spec
    size = itemsize * leaf.size
    size /= mesh.shape["tensor"] if "tensor" in spec else 1
    if "fsdp" in spec:
      fsdp = mesh.shape["fsdp"]
      rows += sent_bytes("reduce-scatter", size, fsdp)
      rows += sent_bytes("all-reduce", size / fsdp, mesh.shape["data"])
      rows += 2 * sent_bytes("all-gather", size, fsdp)
    else:
      rows += sent_bytes("all-reduce", size, num_shards)
  batch_rows = experiment.batch_size / num_shards
  activations = sum(
    4 * section.num_layers * batch_rows * tokens * section.width * itemsize
    for section, tokens in zip(
      sections.values(), _tokens_a_row(config, experiment), strict=True
    )
  )
  num_tasks = len(experiment.task_names)
  return {
    "data+fsdp": rows,
    "tensor": sent_bytes("all-reduce", activations, mesh.shape["tensor"]),
    "minimax": sent_bytes("all-reduce", 8.0 * num_tasks, num_shards),
  }


def _itemsize(config: ConfigDict) -> int:
  """Bytes of a number in the compute dtype, the widest of a model's parts."""
  parts = suites.transformers(config).values()
  return max({"bfloat16": 2, "float32": 4}[part.dtype] for part in parts)


def _tokens_a_row(config, experiment) -> tuple[int, ...]:
  """Tokens of a row in each of `suites.transformers`."""
  if config.tasks.kind == "masked_language":
    return (config.data.row_length,)
  num_decoders = (
    1 if config.model.shares_decoder else len(experiment.task_names)
  )
  patches = experiment.suite.num_patches
  return 1 + config.tasks.num_visible, num_decoders * patches


def _least_between_slices(
  params: Any, itemsize: int, mesh: Mesh, num_slices: int
) -> float:
  """Bytes of gradients that a chip must send to other slices."""
  size = itemsize * sum(x.size for x in jax.tree.leaves(params))
  return sent_bytes("all-reduce", size / (mesh.size / num_slices), num_slices)
