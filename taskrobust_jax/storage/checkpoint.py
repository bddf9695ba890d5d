"""Checkpoints: Orbax, and a digest of every array. Orbax is used here alone."""

from collections.abc import Iterator
import contextlib
import math
import pathlib
from typing import Any

from etils import epath
import jax
from jax.experimental import multihost_utils
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from taskrobust_jax.errors import InputError
from taskrobust_jax.storage import saved, together
from taskrobust_jax.storage.described import described_arrays
from taskrobust_jax.storage.digest import digests
from taskrobust_jax.storage.saved import DamageError

WORST_TASK_LOSS = "eval/worst_task_loss"


class Checkpointer:
  """Saves and restores the state of one run under `folder/<step>/`.

  Kept are the latest checkpoints and the best one by held-out worst task.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    identity: dict[str, Any],
    keep_latest: int = 2,
    read_only: bool = False,
  ):
    """Opens or makes the folder.

    Args:
      folder: Where the steps lie.
      identity: What must be equal for a checkpoint to be of this run (JSON
        values: task names, config, data digest).
      keep_latest: How many of the latest are kept, >= 1.
      read_only: Whether the folder is left as it is. Otherwise what a kill left
        half-written is removed by the first save, and so would be what another
        process writes.
    """
    self._identity = identity
    self._folder = folder
    self._keep_latest = keep_latest
    self._read_only = read_only
    self._saver = None
    if not read_only:
      folder.mkdir(parents=True, exist_ok=True)

  def save(
    self,
    state: Any,
    evaluation: dict[str, float],
    more: dict[str, Any] | None = None,
  ) -> None:
    """Starts to save a state; it goes on in the background.

    Args:
      state: A tree of arrays with a `step`, of shape []; it may be donated to
        the next step at once.
      evaluation: Held-out values at this step, or {} if it was not evaluated.
      more: JSON values for the manifest, those of process 0 count.

    Raises:
      OSError: If this save or the one before it failed.
    """
    step = int(state.step)
    # NaN compares with nothing: it would make any checkpoint the best.
    worst = evaluation.get(WORST_TASK_LOSS, math.nan)
    metrics = {WORST_TASK_LOSS: worst} if math.isfinite(worst) else None
    manifest = saved.sealed(
      {
        **self._identity,
        **(more or {}),
        "step": step,
        "arrays": described_arrays(state),
        "digests": digests(state),
      }
    )
    with self._says_what_failed():
      # Where it may make no folder Orbax's threads would wait for minutes.
      probe = self._folder / ".probe"
      if jax.process_index() == 0:
        probe.mkdir(exist_ok=True)
        probe.rmdir()
      if self._saver is None:
        self._saver = self._make_saver()
      self._saver.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(state),
          manifest=ocp.args.JsonSave(manifest),
        ),
        metrics=metrics,
      )

  def _make_saver(self) -> ocp.CheckpointManager:
    """Orbax's manager; it reads the folder as it is then."""
    if jax.process_index() == 0:
      for step in self.steps():
        try:  # Orbax reads these files too, and trusts them.
          saved.read_manifest(self._folder, step)
          saved.check_loss(self._folder, step)
        except DamageError as error:
          self._set_aside(step, str(error))
    multihost_utils.sync_global_devices("saver")
    return ocp.CheckpointManager(
      self._folder.absolute(),
      options=ocp.CheckpointManagerOptions(
        save_interval_steps=1,
        cleanup_tmp_directories=True,
        # Without best_fn the metrics would not be written beside the state.
        best_fn=lambda metrics: metrics[WORST_TASK_LOSS],
        best_mode="min",
        preservation_policy=checkpoint_managers.AnyPreservationPolicy(
          [
            checkpoint_managers.LatestN(self._keep_latest),
            checkpoint_managers.BestN(
              get_metric_fn=lambda metrics: metrics[WORST_TASK_LOSS],
              reverse=True,  # It keeps the last in this order: lowest loss.
              n=1,
              keep_checkpoints_without_metrics=False,
            ),
          ]
        ),
      ),
    )

  def steps(self) -> list[int]:
    """The steps that are saved, ascending, whole or not."""
    return saved.steps_in(self._folder)

  def manifest(self, step: int) -> dict[str, Any]:
    """What was saved beside the arrays of a step."""
    return saved.read_manifest(self._folder, step)

  def restore(self, state: Any, shardings: Any, step: int | None = None) -> Any:
    """Reads a state back, onto the given devices.

    Without a step it is the newest whole one; what is skipped is printed.
    Newer steps than the restored one are set aside: the run will save them
    again. All processes restore the same step.

    Args:
      state: Tree of `jax.ShapeDtypeStruct`: what must be in the checkpoint.
      shardings: Where to put it, the same tree.
      step: This one and no other.

    Returns:
      The state, or `None` if `step` is `None` and nothing is saved.

    Raises:
      InputError: If there is no such step, or it is of another run, or damaged,
        or all are.
    """
    steps = together.of_first_process(self.steps())
    if step is None and not steps:
      return None
    if step is not None and step not in steps:
      raise InputError(
        f"{self._folder} has no checkpoint of step {step}; it has "
        f"{', '.join(map(str, steps)) or 'none'}"
      )
    problems = {}
    for candidate in reversed(steps) if step is None else [step]:
      try:
        restored = self._restore(candidate, state, shardings)
      except DamageError as error:
        if step is not None:
          raise
        problems[candidate] = str(error)
        continue
      self._leave_behind([s for s in steps if s > candidate], problems)
      return restored
    raise InputError(
      f"no checkpoint in {self._folder} is whole: "
      f"{'; '.join(problems.values())}"
    )

  def _leave_behind(self, steps: list[int], problems: dict[int, str]) -> None:
    """Tells of the steps past the restored one, and moves them."""
    if jax.process_index() == 0:
      for step in steps:
        reason = problems.get(step, f"step {step} is past the restored one")
        if self._read_only:
          print(f"skips {reason}", flush=True)
        else:
          self._set_aside(step, reason)
    multihost_utils.sync_global_devices("set_aside")

  def _set_aside(self, step: int, reason: str) -> None:
    place = saved.set_aside(self._folder, step)
    print(f"skips {reason}; it lies in {place} now", flush=True)

  def _restore(self, step: int, state: Any, shardings: Any) -> Any:
    """Reads one step; all processes return, or all raise the same kind."""
    place = self._folder / str(step)
    problem, manifest, restored = None, None, None
    try:
      manifest = saved.read_manifest(self._folder, step)
      saved.check_manifest(
        place, manifest, self._identity, described_arrays(state)
      )
      target = jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(
          x.shape, x.dtype, sharding=sharding
        ),
        state,
        shardings,
      )
      restored = read(place, target)
    except InputError as error:
      problem = error
    # What follows is computed by all processes together.
    rank = 0 if problem is None else 2 - isinstance(problem, DamageError)
    worst = together.largest(rank)
    if worst > rank:
      kind = DamageError if worst == 1 else InputError
      problem = kind(f"checkpoint {place} cannot be read by another process")
    if problem is not None:
      raise problem
    saved.compare_digests(place, manifest, digests(restored))
    return restored

  def wait(self) -> None:
    """Returns when all saves are on disk.

    Raises:
      OSError: If one failed.
    """
    if self._saver is not None:
      with self._says_what_failed():
        self._saver.wait_until_finished()

  def close(self) -> None:
    """Finishes all saves and releases the folder.

    Raises:
      OSError: If one failed.
    """
    if self._saver is not None:
      saver, self._saver = self._saver, None
      with self._says_what_failed():
        saver.close()

  @contextlib.contextmanager
  def _says_what_failed(self) -> Iterator[None]:
    """Orbax raises what its storage did; a full disk is a ValueError there."""
    try:
      yield
    except (OSError, RuntimeError, ValueError) as error:
      # It counts a step that failed among those that are kept.
      saver, self._saver = self._saver, None
      if saver is not None and jax.process_count() == 1:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
          saver.close()
      raise OSError(
        f"a checkpoint could not be saved in {self._folder}; those that were "
        f"saved before are kept: {error}"
      ) from error


def shapes_in(place: pathlib.Path) -> Any:
  """What Orbax says that a step holds: a tree of dtypes and shapes.

  Raises:
    DamageError: If it says nothing.
  """
  try:
    handler = ocp.StandardCheckpointHandler()
    tree = handler.metadata(epath.Path((place / "state").absolute())).tree
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)
  except Exception as error:  # What it raises differs with the damage.
    raise DamageError(f"checkpoint {place} cannot be read: {error}") from error


def read(place: pathlib.Path, target: Any) -> Any:
  """The arrays of a step, by Orbax's handler alone, which waits for nobody.

  Args:
    place: `checkpoints/<step>`.
    target: Tree of `jax.ShapeDtypeStruct` with shardings.

  Returns:
    The tree of arrays; its content is still to be compared.

  Raises:
    DamageError: If it cannot be read.
  """
  try:
    return ocp.StandardCheckpointHandler().restore(
      epath.Path((place / "state").absolute()),
      args=ocp.args.StandardRestore(target),
    )
  except Exception as error:  # What it raises differs with the damage.
    if "RESOURCE_EXHAUSTED" in str(error):
      raise  # The device is full; the checkpoint may be whole.
    raise DamageError(f"checkpoint {place} cannot be read: {error}") from error
