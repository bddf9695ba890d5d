"""A run opened for reading: its objects and a saved state."""

import pathlib
from typing import Any, NamedTuple

from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.checkpoint import Checkpointer
from taskrobust_jax.train.build import Experiment, build, config_of
from taskrobust_jax.train.datasets import open_dataset
from taskrobust_jax.train.folder import read_manifest
from taskrobust_jax.train.state import TrainState


class Restored(NamedTuple):
  """What `restore` gives.

  Attributes:
    experiment: Of the run's own config, on this machine's devices.
    dataset: The run's.
    state: The saved state.
  """

  experiment: Experiment
  dataset: Any
  state: TrainState


def restore(
  workdir: str, data_dir: str | None, step: int | None = None
) -> Restored:
  """Opens a run; nothing is written.

  Args:
    workdir: The run's folder.
    data_dir: What it was trained on, `None` for scenes.
    step: Which checkpoint; the newest whole one if `None`.

  Raises:
    InputError: If there is no run, no checkpoint, or other data.
  """
  path = pathlib.Path(workdir)
  manifest = read_manifest(path)
  config = config_of(manifest["config"])
  dataset = open_dataset(config, data_dir, manifest["data_digest"])
  if isinstance(config.minimax.get("reference_losses"), str):
    # The adversary is read and not asked: its references may be elsewhere.
    with config.ignore_type():
      config.minimax.reference_losses = 0.0
  experiment = build(config, dataset)
  for name in ("config", "init_from", "references"):
    if name in manifest:
      experiment.identity[name] = manifest[name]
  folder = path / "checkpoints"
  if not folder.is_dir():
    raise InputError(f"{workdir} holds no checkpoint yet")
  checkpoints = Checkpointer(folder, experiment.identity, read_only=True)
  state = checkpoints.restore(
    experiment.state_shapes, experiment.state_sharding, step
  )
  if state is None:
    raise InputError(f"{workdir} holds no checkpoint yet")
  return Restored(experiment, dataset, state)
