"""TensorBoard's view of a run: `tensorboard/` beside metrics.jsonl.

The same values as in metrics.jsonl. What a run went back over stays in older
files; TensorBoard is told to leave it out.
"""

from collections.abc import Callable
import importlib.util
import math
import os
import pathlib
import socket
import time
from typing import Any

from taskrobust_jax.errors import InputError

WRITERS = ("tensorboard", "clu", "none")


class EventFile:
  """One event file, written without TensorFlow."""

  def __init__(self, folder: pathlib.Path, first_step: int):
    """Begins a file.

    Args:
      folder: It is made if need be.
      first_step: The step at which the run begins or goes on; what older files
        have from later steps is left out.
    """
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer import record_writer

    self._event, self._summary = event_pb2.Event, summary_pb2.Summary
    folder.mkdir(exist_ok=True)
    now = time.time()
    name = f"events.out.tfevents.{now:.6f}.{socket.gethostname()}.{os.getpid()}"
    self._file = (folder / name).open("wb", buffering=0)
    self._records = record_writer.RecordWriter(self._file)
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    self._write(file_version="brain.Event:2")
    self._write(step=first_step + 1, session_log=start)

  def write(self, step: int, values: dict[str, float]) -> None:
    """Appends values of a step; those that are not finite are left out."""
    scalars = [
      self._summary.Value(tag=name, simple_value=value)
      for name, value in values.items()
      if math.isfinite(value)
    ]
    self._write(step=step, summary=self._summary(value=scalars))

  def _write(self, **fields):
    event = self._event(wall_time=time.time(), **fields)
    self._records.write(event.SerializeToString())

  def close(self) -> None:
    """Closes the file."""
    self._file.close()


class CluEvents:
  """The same by clu, which needs TensorFlow, with its periodic actions.

  Logs progress every minute, and writes a profile of five steps after the
  tenth.
  """

  def __init__(self, folder: pathlib.Path, num_steps: int):
    from clu import metric_writers, periodic_actions

    self._writer = metric_writers.create_default_writer(folder)
    self._actions = [
      periodic_actions.ReportProgress(
        num_train_steps=num_steps, writer=self._writer
      ),
      periodic_actions.Profile(
        logdir=folder, profile_duration_ms=None, every_secs=None
      ),
    ]

  def write(self, step: int, values: dict[str, float]) -> None:
    """As of `EventFile`."""
    finite = {k: v for k, v in values.items() if math.isfinite(v)}
    self._writer.write_scalars(step, finite)

  def on_step(self, step: int) -> None:
    """To be called after each step."""
    for action in self._actions:
      action(step)

  def close(self) -> None:
    """Writes what is left."""
    self._writer.close()


class NoEvents:
  """In the place of both where nothing is written."""

  def write(self, step: int, values: dict[str, float]) -> None: ...

  def close(self) -> None: ...


def check_writer(name: str) -> None:
  """Raises InputError unless there is such a writer, and what it needs."""
  if name not in WRITERS:
    raise InputError(f"log_writer must be in {WRITERS}, got {name!r}")
  if name == "clu" and importlib.util.find_spec("tensorflow") is None:
    raise InputError(
      "log_writer 'clu' needs TensorFlow: pip install 'taskrobust_jax[data]', "
      "or take 'tensorboard'"
    )


def open_events(
  name: str, folder: pathlib.Path, first_step: int, num_steps: int
) -> Any:
  """Opens the writer of a name in `WRITERS`."""
  if name == "none":
    return NoEvents()
  if name == "clu":
    return CluEvents(folder, num_steps)
  return EventFile(folder, first_step)


def on_step_of(events: Any) -> Callable[[int], None]:
  """What a writer wants to be told after each step."""
  return getattr(events, "on_step", lambda step: None)
