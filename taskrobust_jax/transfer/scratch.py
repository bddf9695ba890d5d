"""A folder for runs so short that they are never continued."""

from collections.abc import Iterator
import contextlib
import pathlib
from typing import Any

from taskrobust_jax.storage.event_files import NoEvents
from taskrobust_jax.storage.rows import NoRows, Rows


class ScratchFolder:
  """Stands in for `RunFolder`: metrics.jsonl is written, nothing is saved.

  What lies there of a run that was stopped is written anew. To be used as a
  context.

  Attributes:
    path: The folder.
    rows: (step, values) of all that was written.
  """

  def __init__(self, path: pathlib.Path):
    """Opens a folder that is there."""
    self.path = path
    self.metrics = Rows(path / "metrics.jsonl")
    self.timing = NoRows(path / "timing.jsonl")
    self.events = NoEvents()
    self.rows: list[tuple[int, dict[str, float]]] = []

  def __enter__(self) -> "ScratchFolder":
    return self

  def __exit__(self, kind, error, trace) -> None:
    self.metrics.close()

  def restore(self, *arguments: Any) -> None:
    """There is nothing to continue: rows of before are cut."""
    self.metrics.cut_after(-1)

  def begin_events(self, first_step: int, num_steps: int) -> None:
    """There are no events."""

  def save(self, *arguments: Any) -> None:
    """Nothing is saved."""

  def write(self, step: int, values: dict[str, float]) -> None:
    """Keeps a row, and writes it to metrics.jsonl."""
    self.rows.append((step, values))
    self.metrics.write(step, values)

  @contextlib.contextmanager
  def lasting(self) -> Iterator[None]:
    """See `RunFolder`; a disk that refuses is an error here."""
    yield
