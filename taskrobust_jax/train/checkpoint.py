"""Checkpoints: Orbax, and a digest of every array. Orbax is used here alone."""

from collections.abc import Iterator
import contextlib
import math
import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from taskrobust_jax.errors import InputError
from taskrobust_jax.train.digest import digests
from taskrobust_jax.train.state import TrainState

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
        half-written is removed, and so would be what another process writes.
    """
    self._identity = identity
    self._folder = folder
    self._manager = ocp.CheckpointManager(
      folder.absolute(),
      options=ocp.CheckpointManagerOptions(
        read_only=read_only,
        create=not read_only,
        save_interval_steps=0 if read_only else 1,
        cleanup_tmp_directories=not read_only,
        # Without best_fn the metrics would not be written beside the state.
        best_fn=lambda metrics: metrics[WORST_TASK_LOSS],
        best_mode="min",
        preservation_policy=checkpoint_managers.AnyPreservationPolicy(
          [
            checkpoint_managers.LatestN(keep_latest),
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

  def save(self, state: TrainState, evaluation: dict[str, float]) -> None:
    """Starts to save a state; it goes on in the background.

    Args:
      state: May be donated to the next step at once.
      evaluation: Held-out values at this step, or {} if it was not evaluated.

    Raises:
      OSError: If this save or the one before it failed.
    """
    step = int(state.step)
    # NaN compares with nothing: it would make any checkpoint the best.
    worst = evaluation.get(WORST_TASK_LOSS, math.nan)
    metrics = {WORST_TASK_LOSS: worst} if math.isfinite(worst) else None
    manifest = {
      **self._identity,
      "arrays": _arrays(state),
      "digests": digests(state),
    }
    with self._says_what_failed():
      self._manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(state),
          manifest=ocp.args.JsonSave(manifest),
        ),
        metrics=metrics,
      )

  def steps(self) -> list[int]:
    """The steps that are saved, ascending."""
    return sorted(self._manager.all_steps())

  def restore(
    self, state: Any, shardings: Any, step: int | None = None
  ) -> TrainState | None:
    """Reads a state back, onto the given devices.

    Args:
      state: Tree of `jax.ShapeDtypeStruct`: what must be in the checkpoint.
      shardings: Where to put it, the same tree.
      step: Which one; the latest if `None`.

    Returns:
      The state, or `None` if `step` is `None` and nothing is saved.

    Raises:
      InputError: If there is no such step, or it is of another run, or it has
        other arrays, or an array's content is not what was saved.
    """
    steps = self.steps()
    if step is None and not steps:
      return None
    step = steps[-1] if step is None else step
    if step not in steps:
      raise InputError(
        f"{self._folder} has no checkpoint of step {step}; it has "
        f"{', '.join(map(str, steps)) or 'none'}"
      )
    place = f"checkpoint {self._folder / str(step)}"
    saved = self._read(place, step, manifest=ocp.args.JsonRestore()).manifest
    for name, value in self._identity.items():
      if saved.get(name) != value:
        raise InputError(
          f"{place} is of another run: its {name} is {saved.get(name)!r}, this "
          f"run's is {value!r}"
        )
    # Orbax would cast another dtype in silence.
    expected = _arrays(state)
    for path in sorted(expected.keys() | saved["arrays"].keys()):
      if expected.get(path) != saved["arrays"].get(path):
        raise InputError(
          f"{place} does not fit: array {path} is "
          f"{saved['arrays'].get(path, 'absent')}, expected "
          f"{expected.get(path, 'absent')}"
        )
    target = jax.tree.map(
      lambda x, sharding: jax.ShapeDtypeStruct(
        x.shape, x.dtype, sharding=sharding
      ),
      state,
      shardings,
    )
    restored = self._read(
      place, step, state=ocp.args.StandardRestore(target)
    ).state
    found = digests(restored)
    for path, digest in saved["digests"].items():
      if found.get(path) != digest:
        raise InputError(
          f"{place} is damaged: array {path} has digest {found.get(path)}, "
          f"saved was {digest}"
        )
    return restored

  def _read(self, place, step, **items):
    try:
      return self._manager.restore(step, args=ocp.args.Composite(**items))
    except Exception as error:  # What it raises differs with the damage.
      raise InputError(f"{place} cannot be read: {error}") from error

  def wait(self) -> None:
    """Returns when all saves are on disk.

    Raises:
      OSError: If one failed.
    """
    with self._says_what_failed():
      self._manager.wait_until_finished()

  def close(self) -> None:
    """Finishes all saves and releases the folder.

    Raises:
      OSError: If one failed.
    """
    with self._says_what_failed():
      self._manager.close()

  @contextlib.contextmanager
  def _says_what_failed(self) -> Iterator[None]:
    """Orbax raises what its storage did; a full disk is a ValueError there."""
    try:
      yield
    except (OSError, RuntimeError, ValueError) as error:
      raise OSError(
        f"a checkpoint could not be saved in {self._folder}; those that were "
        f"saved before are kept: {error}"
      ) from error


def _arrays(tree: Any) -> dict[str, str]:
  """Dtype and shape of every array, by path."""
  return {
    jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}"
    for path, leaf in jax.tree.leaves_with_path(tree)
  }
