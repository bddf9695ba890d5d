"""The folder of a run: manifest, metrics, timing, checkpoints."""

from collections.abc import Iterator
import contextlib
from importlib import metadata
import pathlib
import platform
from typing import Any

import jax
from jax.experimental import multihost_utils

from taskrobust_jax import files, lock
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.checkpoint import Checkpointer
from taskrobust_jax.storage.compare import differences
from taskrobust_jax.storage.event_files import NoEvents, open_events
from taskrobust_jax.storage.rows import NoRows, Rows
from taskrobust_jax.train.build import Experiment
from taskrobust_jax.train.state import TrainState

MANIFEST = "manifest.json"
# Raised with every change of the code after which a config gives other results:
# a run that was begun before is not continued, though it can be read.
RESULTS_VERSION = 1
_LARGEST_MANIFEST = 2**24
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class RunFolder:
  """An open run folder, to be used as a context; no other process may open it.

  Of several processes the first one writes; all see the same folder.

  Attributes:
    path: The folder.
    checkpoints: Under `checkpoints/`.
    metrics: `metrics.jsonl`.
    timing: `timing.jsonl`.
    events: Under `tensorboard/`, from `begin_events` on.
  """

  def __init__(self, path: str | pathlib.Path, experiment: Experiment):
    """Opens a new folder, or one that holds this very run.

    Args:
      path: The folder; it is made if need be.
      experiment: The run.

    Raises:
      InputError: If the folder cannot be written, holds another run, holds
        files but no run, or is in use.
    """
    self.path = pathlib.Path(path)
    self._on_error = experiment.on_error
    self._log_writer = experiment.log_writer
    self.events = NoEvents()
    self._lock = None
    with contextlib.ExitStack() as opened:
      self._open(experiment, opened)
      self._opened = opened.pop_all()

  def _open(self, experiment, opened):
    is_writer = jax.process_index() == 0
    rows = Rows if is_writer else NoRows
    try:
      if is_writer:
        self.path.mkdir(parents=True, exist_ok=True)
        check_folder(self.path, experiment)  # Before anything is changed.
        self._lock = opened.enter_context(lock.held(self.path))
        check_folder(self.path, experiment)  # It may have become another's.
        self._claim(experiment)
      multihost_utils.sync_global_devices("manifest")
      if not is_writer:
        if not (self.path / MANIFEST).exists():
          raise InputError(
            f"workdir {self.path} holds no {MANIFEST} here; process 0 wrote "
            "one: all processes must have the same folder mounted"
          )
        check_folder(self.path, experiment)
      self.metrics = rows(self.path / "metrics.jsonl")
      opened.callback(self.metrics.close)
      self.timing = rows(self.path / "timing.jsonl")
      opened.callback(self.timing.close)
      self.checkpoints = Checkpointer(
        self.path / "checkpoints", experiment.identity, experiment.keep_latest
      )
    except OSError as error:
      raise InputError(
        f"workdir {self.path} cannot be written: {error}"
      ) from error

  def _claim(self, experiment):
    """Writes the manifest if there is none."""
    if (self.path / MANIFEST).exists():
      return
    manifest = {
      **experiment.identity,
      "results_version": RESULTS_VERSION,
      "seed": experiment.identity["config"]["seed"],
      "devices": [device.device_kind for device in jax.devices()],
      "versions": versions(),
    }
    files.write_object(self.path / MANIFEST, manifest)

  def __enter__(self) -> "RunFolder":
    return self

  def __exit__(self, kind, error, trace) -> None:
    # A save that goes on is finished, unless a process that is gone would be
    # waited for.
    if error is None or jax.process_count() == 1:
      self.close()

  def close(self) -> None:
    """Finishes all writing, and gives the folder free."""
    with self._opened:
      self.checkpoints.close()

  def begin_events(self, first_step: int, num_steps: int) -> None:
    """Opens `events`, at the step at which the run begins or goes on."""
    if jax.process_index() == 0:
      with self.lasting():
        self.events = open_events(
          self._log_writer, self.path / "tensorboard", first_step, num_steps
        )
        self._opened.callback(self.events.close)

  def write(self, step: int, values: dict[str, float]) -> None:
    """Appends a row to metrics.jsonl, and the same to `events`."""
    with self.lasting():
      self.metrics.write(step, values)
    with self.lasting():
      self.events.write(step, values)

  def restore(
    self, shapes: TrainState, sharding: Any, step: int | None = None
  ) -> tuple[TrainState, dict[str, Any]] | None:
    """The saved state to go on from; the rows of files after it are cut.

    Args:
      shapes: The state's, as `jax.ShapeDtypeStruct`.
      sharding: The state's.
      step: Of the checkpoint, the newest whole one if `None`.

    Returns:
      (the state, what `save` kept beside it), or `None` if there is none.

    Raises:
      InputError: If metrics.jsonl does not begin with the rows it had then, or
        the checkpoint is of another run or damaged.
    """
    state = self.checkpoints.restore(shapes, sharding, step)
    if state is None:
      self.metrics.cut_after(-1)
      self.timing.cut_after(-1)
      return None
    saved = self.checkpoints.manifest(int(state.step))
    self._cut_rows(int(state.step), saved["rows"], is_lenient=step is not None)
    return state, saved

  def _cut_rows(self, step, fingerprint, is_lenient):
    """Brings the files of rows to what they were when a step was saved."""
    if not self.metrics.cut_to(fingerprint):
      problem = (
        f"{self.path / 'metrics.jsonl'} is damaged: it does not begin with the "
        f"{fingerprint['bytes']} bytes that it had at step {step}"
      )
      if not is_lenient:
        raise InputError(
          f"{problem}. Restore the file, or do without those rows by "
          f"--restore_step={step}"
        )
      copy = self.metrics.keep_what_is_whole(step)
      print(f"WARNING {problem}; rows are lost ({copy})", flush=True)
    self.timing.cut_after(step)

  def save(
    self,
    state: TrainState,
    evaluation: dict[str, float],
    more: dict[str, Any],
    is_last: bool,
  ) -> None:
    """Starts to save a state, with all rows on disk before.

    Args:
      state: It.
      evaluation: Held-out values at this step, or {}.
      more: JSON values to be kept beside it.
      is_last: Whether the run ends here: then a save that fails is an error
        whatever the config says.

    Raises:
      OSError: If this save or the one before it failed, and
        `checkpoint.on_error` is "stop"; if the folder is no longer ours.
    """
    if self._lock is not None:
      self._lock.check()
    with self.lasting():
      self.checkpoints.wait()  # For the one before: it may have failed.
    with self.lasting(is_last):
      self.metrics.sync()  # A checkpoint never knows more than its rows.
      rows = self.metrics.fingerprint()
      self.checkpoints.save(state, evaluation, {**more, "rows": rows})
      if is_last:
        self.checkpoints.wait()

  @contextlib.contextmanager
  def lasting(self, is_last: bool = False) -> Iterator[None]:
    """A block in which a disk that refuses is an error, or is waited out."""
    try:
      yield
    except OSError as error:
      if self._on_error == "stop" or is_last:
        raise
      print(f"WARNING {error}; goes on and tries again later", flush=True)


def check_folder(path: pathlib.Path, experiment: Experiment) -> None:
  """Raises InputError unless a folder is new, empty, or of this very run."""
  if not (path / MANIFEST).exists():
    # A kill may have left them.
    own = (f"{MANIFEST}.tmp", lock.LOCK)
    if path.exists() and any(file.name not in own for file in path.iterdir()):
      raise InputError(
        f"workdir {path} holds files but no {MANIFEST}; choose a new or an "
        "empty folder"
      )
    return
  manifest = read_manifest(path)
  saved = {name: manifest.get(name) for name in experiment.identity}
  found = differences(saved, experiment.identity)
  if found:
    raise InputError(
      f"workdir {path} holds another run: {'; '.join(found)}. Choose another "
      "workdir, or the config and data of that run"
    )
  version = manifest.get("results_version")
  if version != RESULTS_VERSION:
    raise InputError(
      f"workdir {path} was begun by a version of this code that gives other "
      f"results (results_version {version}, here {RESULTS_VERSION}); choose "
      "another workdir, or continue with that version"
    )


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
    manifest = files.read_object(file, _LARGEST_MANIFEST)
    if not isinstance(manifest["config"], dict):
      raise ValueError("it has no config")
  except FileNotFoundError as error:
    raise InputError(f"{path} is no run: it has no {MANIFEST}") from error
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(f"{file} cannot be read: {error}") from error
  return manifest
