"""What a step has to say: its row of metrics.jsonl, the progress line."""

from collections.abc import Iterator, Sequence
import contextlib
import time

import jax
import numpy as np

from taskrobust_jax.train.step import StepMetrics


def train_values(
  task_names: Sequence[str], metrics: StepMetrics, learning_rate: float
) -> dict[str, float]:
  """The row of one step.

  Args:
    task_names: K names.
    metrics: Of the step; fetched from the device here.
    learning_rate: At the step.

  Returns:
    `train/loss/<task>` (left out for an absent task), `train/weight/<task>`,
    `train/predictions/<task>`, `train/robust_loss` (their dot product over
    present tasks), `train/skipped_updates`, `train/learning_rate`, and
    `train/mean_weight/<task>` where the step has it.
  """
  metrics = jax.device_get(metrics)
  is_present = metrics.counts > 0
  values = {}
  for k, name in enumerate(task_names):
    if is_present[k]:
      values[f"train/loss/{name}"] = float(metrics.losses[k])
  for k, name in enumerate(task_names):
    values[f"train/weight/{name}"] = float(metrics.task_weights[k])
    values[f"train/predictions/{name}"] = float(metrics.counts[k])
  for name, weight in zip(task_names, metrics.mean_task_weights, strict=False):
    values[f"train/mean_weight/{name}"] = float(weight)
  losses = np.where(is_present, metrics.losses, 0.0)
  with np.errstate(invalid="ignore"):  # A loss that is inf has the weight 0.
    values["train/robust_loss"] = float((metrics.task_weights * losses).sum())
  values["train/skipped_updates"] = float(metrics.skipped_updates)
  values["train/learning_rate"] = learning_rate
  return values


class Progress:
  """The line that a run prints now and then, and its clock."""

  def __init__(self, num_steps: int, batch_size: int):
    """A clock that stands still until `start`."""
    self._num_steps = num_steps
    self._batch_size = batch_size
    self._step = 0
    self._time = 0.0

  def start(self, step: int) -> None:
    """Starts the clock; called when the step has been compiled."""
    self._step, self._time = step, time.monotonic()

  @contextlib.contextmanager
  def paused(self) -> Iterator[None]:
    """Time spent inside, on evaluating and saving, is not training's."""
    began = time.monotonic()
    yield
    self._time += time.monotonic() - began

  def report(self, step: int, values: dict[str, float]) -> dict[str, float]:
    """Prints a line about a step.

    Args:
      step: Batches consumed.
      values: From `train_values`.

    Returns:
      The row for `timing.jsonl`: `seconds` (since 1970) and
      `examples_per_second` since the last report.
    """
    now = time.monotonic()
    rate = (step - self._step) / max(now - self._time, 1e-9)
    self._step, self._time = step, now
    losses = {
      key.removeprefix("train/loss/"): value
      for key, value in values.items()
      if key.startswith("train/loss/")
    }
    worst = "no task"
    if losses:
      name = max(losses, key=losses.get)
      worst = f"worst {name} {losses[name]:.3f}"
    left = clock((self._num_steps - step) / rate) if rate else "?"
    print(
      f"step {step:>{len(str(self._num_steps))}}/{self._num_steps}"
      f"  loss {values['train/robust_loss']:.3f}  {worst}"
      f"  {rate * self._batch_size:,.0f} examples/s  {left} left",
      flush=True,
    )
    return {
      "seconds": time.time(),
      "examples_per_second": rate * self._batch_size,
    }


def clock(seconds: float) -> str:
  """Seconds as h:mm:ss or m:ss."""
  minutes, seconds = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f"{hours}:{minutes:02}:{seconds:02}"
  return f"{minutes}:{seconds:02}"
