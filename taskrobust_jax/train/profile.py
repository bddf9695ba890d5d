"""A trace of a few steps, for TensorBoard's or Perfetto's profile viewer."""

from collections.abc import Iterator
import contextlib
import pathlib
import re

import jax

from taskrobust_jax.errors import InputError


class StepTrace:
  """Traces the steps first to last; a run that ends before is cut short."""

  def __init__(self, folder: pathlib.Path, steps: tuple[int, int] | None):
    """Nothing is traced if `steps` is `None`."""
    self._folder = folder
    self._steps = steps
    self._is_on = self._has_begun = False

  def before(self, step: int) -> None:
    """To be called before a step is started."""
    if self._steps and step == self._steps[0]:
      jax.profiler.start_trace(self._folder)
      self._is_on = self._has_begun = True

  def after(self, step: int, result: jax.Array) -> None:
    """To be called after it was started; waits for its result at the last."""
    if self._is_on and step == self._steps[1]:
      jax.block_until_ready(result)
      self.stop()

  def stop(self) -> None:
    """Writes what was traced."""
    if self._is_on:
      self._is_on = False
      jax.profiler.stop_trace()
      print(f"wrote the profile {self._folder}", flush=True)
    elif self._steps and not self._has_begun:
      first, last = self._steps
      print(f"no profile: no step of {first}:{last} was run", flush=True)


@contextlib.contextmanager
def step_trace(
  folder: pathlib.Path, steps: tuple[int, int] | None
) -> Iterator[StepTrace]:
  """A `StepTrace` that is stopped at the end of the block."""
  trace = StepTrace(folder, steps)
  try:
    yield trace
  finally:
    trace.stop()


def parse_steps(text: str) -> tuple[int, int] | None:
  """Reads "10:15", both included; `None` of "".

  Raises:
    InputError: For anything else.
  """
  if not text:
    return None
  match = re.fullmatch(r"(\d+):(\d+)", text)
  if not match or not 1 <= int(match[1]) <= int(match[2]):
    raise InputError(
      "--profile_steps must be FIRST:LAST with 1 <= FIRST <= LAST, got "
      f"{text!r}"
    )
  return int(match[1]), int(match[2])
