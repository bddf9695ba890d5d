"""The folder of a run: manifest, metrics, timing, checkpoints."""

from importlib import metadata
import json
import os
import pathlib
import platform
from typing import Any

import jax
from jax.experimental import multihost_utils

from taskrobust_jax.errors import InputError
from taskrobust_jax.train.build import Experiment
from taskrobust_jax.train.checkpoint import Checkpointer
from taskrobust_jax.train.compare import differences
from taskrobust_jax.train.metrics import NoRows, Rows

MANIFEST = "manifest.json"
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class RunFolder:
  """An open run folder, to be used as a context.

  Of several processes the first one writes; all see the same folder.

  Attributes:
    path: The folder.
    checkpoints: Under `checkpoints/`.
    metrics: `metrics.jsonl`.
    timing: `timing.jsonl`.
  """

  def __init__(self, path: str | pathlib.Path, experiment: Experiment):
    """Opens a new folder, or one that holds this very run.

    Args:
      path: The folder; it is made if need be.
      experiment: The run.

    Raises:
      InputError: If the folder cannot be written, holds another run, or holds
        files but no run.
    """
    self.path = pathlib.Path(path)
    is_writer = jax.process_index() == 0
    rows = Rows if is_writer else NoRows
    try:
      if is_writer:
        self.path.mkdir(parents=True, exist_ok=True)
        self._claim(experiment)
      multihost_utils.sync_global_devices("manifest")
      if not is_writer:
        if not (self.path / MANIFEST).exists():
          raise InputError(
            f"workdir {self.path} holds no {MANIFEST} here; process 0 wrote "
            "one: all processes must have the same folder mounted"
          )
        self._check(experiment)
      self.metrics = rows(self.path / "metrics.jsonl")
      self.timing = rows(self.path / "timing.jsonl")
      self.checkpoints = Checkpointer(
        self.path / "checkpoints", experiment.identity, experiment.keep_latest
      )
    except OSError as error:
      raise InputError(
        f"workdir {self.path} cannot be written: {error}"
      ) from error

  def _claim(self, experiment):
    """Writes the manifest, or compares it with the one that is there."""
    if (self.path / MANIFEST).exists():
      self._check(experiment)
      return
    temporary = self.path / f"{MANIFEST}.tmp"  # A kill may have left it.
    if any(file != temporary for file in self.path.iterdir()):
      raise InputError(
        f"workdir {self.path} holds files but no {MANIFEST}; choose a new or "
        "an empty folder"
      )
    manifest = {
      **experiment.identity,
      "seed": experiment.identity["config"]["seed"],
      "devices": [device.device_kind for device in jax.devices()],
      "versions": versions(),
    }
    temporary.write_text(json.dumps(manifest, indent=2) + "\n", "utf-8")
    os.replace(temporary, self.path / MANIFEST)

  def _check(self, experiment):
    """Compares the manifest with this run."""
    manifest = read_manifest(self.path)
    saved = {name: manifest.get(name) for name in experiment.identity}
    found = differences(saved, experiment.identity)
    if found:
      raise InputError(
        f"workdir {self.path} holds another run: {'; '.join(found)}. Choose "
        "another workdir, or the config and data of that run"
      )

  def __enter__(self) -> "RunFolder":
    return self

  def __exit__(self, kind, error, trace) -> None:
    # A save that goes on is finished, unless a process that is gone would be
    # waited for.
    if error is None or jax.process_count() == 1:
      self.close()

  def close(self) -> None:
    """Finishes all writing."""
    self.metrics.close()
    self.timing.close()
    self.checkpoints.close()  # Last: it raises if a save failed.


def versions() -> dict[str, str]:
  """The versions of Python and of the packages that results depend on."""
  return {
    "python": platform.python_version(),
    **{name: metadata.version(name) for name in _PACKAGES},
  }


def read_manifest(path: pathlib.Path) -> dict[str, Any]:
  """The manifest of a run.

  Raises:
    InputError: If there is none, or it is not what a run writes.
  """
  file = path / MANIFEST
  try:
    manifest = json.loads(file.read_text("utf-8"))
    if not isinstance(manifest["config"], dict):
      raise ValueError("it has no config")
  except FileNotFoundError as error:
    raise InputError(f"{path} is no run: it has no {MANIFEST}") from error
  except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
    raise InputError(f"{file} cannot be read: {error}") from error
  return manifest
