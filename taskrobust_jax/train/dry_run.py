"""What a run will take, measured on a few of its steps; nothing is written."""

import pathlib
import resource
import statistics
import sys
import time
from typing import Any, NamedTuple

import jax

from taskrobust_jax.storage.saved import steps_in
from taskrobust_jax.train import loop
from taskrobust_jax.train.build import Experiment
from taskrobust_jax.train.folder import check_folder
from taskrobust_jax.train.metrics import clock

_NUM_STEPS = 3


class Cost(NamedTuple):
  """What was measured.

  Attributes:
    compiling: Seconds of the first step, which compiles, or reads what is in
      the cache.
    step: Seconds of a later one, the median.
    memory: Peak, in words: of a device, of the process on a CPU.
  """

  compiling: float
  step: float
  memory: str


def rehearse(experiment: Experiment) -> Cost:
  """Runs the first steps of an experiment, from new params.

  Raises:
    InputError: If a device has too little memory for the batch.
  """
  state = experiment.init_state()
  seconds = []
  for step in range(min(1 + _NUM_STEPS, 1 + experiment.num_steps)):
    batch = experiment.load_batch(min(step, experiment.num_steps - 1))
    began = time.monotonic()
    with loop.names_what_fits(experiment):
      state, metrics = experiment.train_step(state, batch)
      jax.block_until_ready((state, metrics))
    seconds.append(time.monotonic() - began)
  return Cost(seconds[0], statistics.median(seconds[1:]), _peak_memory())


def tell(experiment: Experiment, workdir: pathlib.Path) -> None:
  """Prints what a run in a folder would take.

  Raises:
    InputError: If the folder holds something else than this run, or a device
      has too little memory for the batch.
  """
  check_folder(workdir, experiment)
  steps = steps_in(workdir / "checkpoints")
  print(_as_text(experiment, rehearse(experiment)))
  where = f"would go on from step {steps[-1]}" if steps else "would begin there"
  print(f"{'workdir':<8} {workdir}: {where}")


def _as_text(experiment: Experiment, cost: Cost) -> str:
  """A line for each thing that one wants to know before a run."""
  params = experiment.state_shapes.params
  mesh = "  ".join(f"{k}={v}" for k, v in experiment.mesh.shape.items())
  kind = experiment.mesh.devices.flat[0].device_kind
  num_steps, size = experiment.num_steps, experiment.batch_size
  lines = {
    "tasks": f"{len(experiment.task_names)}: "
    + ", ".join(experiment.task_names),
    "model": f"{_count(params):,} params, {_megabytes(_bytes(params))}",
    "state": f"{_megabytes(_bytes_on_device(experiment))} on a device",
    "devices": f"{experiment.mesh.devices.size} ({kind}), {mesh}",
    "steps": f"{num_steps:,} of {size:,} rows: {num_steps * size:,} examples; "
    f"evaluated every {experiment.evaluate_every:,}, saved every "
    f"{experiment.save_every:,}",
    "memory": cost.memory,
    "time": f"first step {cost.compiling:.1f} s, then {cost.step:.3g} s each: "
    f"about {clock(cost.compiling + num_steps * cost.step)} without evaluation",
  }
  return "\n".join(f"{name:<8} {text}" for name, text in lines.items())


def _count(tree: Any) -> int:
  return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _bytes(tree: Any) -> int:
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _bytes_on_device(experiment: Experiment) -> int:
  """Of the state's part that one device holds."""
  shards = jax.tree.map(
    lambda x, sharding: jax.ShapeDtypeStruct(
      sharding.shard_shape(x.shape), x.dtype
    ),
    experiment.state_shapes,
    experiment.state_sharding,
  )
  return _bytes(shards)


def _peak_memory() -> str:
  peaks = [
    (stats["peak_bytes_in_use"], stats.get("bytes_limit"))
    for device in jax.local_devices()
    if (stats := device.memory_stats())
  ]
  if peaks:
    peak, limit = max(peaks)
    of = f" of {_megabytes(limit)}" if limit else ""
    return f"{_megabytes(peak)}{of} on the fullest device"
  unit = 1 if sys.platform == "darwin" else 1024
  peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return f"{_megabytes(peak)} in the process"


def _megabytes(count: int) -> str:
  return f"{count / 1e6:,.1f} MB"
