"""The loop: batches in, state through the step, a run's folder out."""

from collections.abc import Callable, Iterator
import contextlib
import math
import os
import signal

from clu import parameter_overview
import jax
from jax.experimental import multihost_utils

from taskrobust_jax import errors
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.checkpoint import WORST_TASK_LOSS
from taskrobust_jax.storage.event_files import on_step_of
from taskrobust_jax.train import batches
from taskrobust_jax.train.build import Experiment
from taskrobust_jax.train.evaluation import evaluate_state
from taskrobust_jax.train.folder import RunFolder
from taskrobust_jax.train.health import CollapseWarning, Plateau, evaluations
from taskrobust_jax.train.metrics import Progress, train_values
from taskrobust_jax.train.order_digest import OrderDigest, as_number
from taskrobust_jax.train.profile import step_trace
from taskrobust_jax.train.state import TrainState
from taskrobust_jax.train.step import StepMetrics


def train(
  experiment: Experiment,
  folder: RunFolder,
  restore_step: int | None = None,
  profile_steps: tuple[int, int] | None = None,
) -> int:
  """Runs an experiment to its end, from where its folder left it.

  On SIGTERM or SIGINT to any process the current step is saved by all, and a
  later call goes on from there; a second SIGINT stops at once. Training also
  ends, done, when the worst held-out task has not improved for
  `experiment.patience` evaluations.

  Args:
    experiment: From `build`.
    folder: Of this run.
    restore_step: The checkpoint to go on from, and no other; the newest whole
      one if `None`.
    profile_steps: The first and last step of a trace, written to `profile/`.

  Returns:
    An exit code of `errors`: `DONE`, `PREEMPTED` or `INTERRUPTED`.

  Raises:
    InputError: If a device has too little memory for the batch.
    FloatingPointError: If too many gradients in a row were not finite.
    OSError: If the disk refuses what must be written.
  """
  state, order_digest = _restore_or_init(experiment, folder, restore_step)
  first, last = int(state.step), experiment.num_steps
  if first < last:
    folder.begin_events(first, last)
  after_step = on_step_of(folder.events)
  progress = Progress(last, experiment.batch_size)
  # Weights that are given (`fixed`) do not collapse.
  is_given = experiment.identity["config"]["minimax"]["strategy"] == "fixed"
  collapse = CollapseWarning(() if is_given else experiment.task_names)
  plateau = Plateau(experiment.patience)
  if first == 0:
    if experiment.evaluates_start:
      plateau.note(_evaluate(experiment, folder, 0, state))
  elif experiment.patience:
    for evaluation in evaluations(folder.path / "metrics.jsonl", first):
      plateau.note(evaluation)
    if plateau.is_reached():
      return _end_on_plateau(first, last)

  def load(step):  # Called for one step after the other.
    digest = order_digest.add(experiment.rows_of_step(step))
    return experiment.load_batch(step), digest

  pending = None  # A step and its metrics, which may still be computed.
  with (
    _stop_requests() as stop_code_at,
    step_trace(folder.path / "profile", profile_steps) as trace,
  ):
    loaded = batches.read_ahead(load, first, last)
    for step, (batch, digest) in enumerate(loaded, start=first + 1):
      trace.before(step)
      with names_what_fits(experiment):
        state, metrics = experiment.train_step(state, batch)
      trace.after(step, metrics.losses)
      if step == first + 1:
        progress.start(step)
      after_step(step)
      # Written a step late, so that the device never waits for this line.
      if pending:
        _write(experiment, folder, progress, collapse, *pending)
        pending = None
      stop = stop_code_at(step)
      is_save_step = step % experiment.save_every == 0 or step == last
      # A stop adds a checkpoint and no row: metrics.jsonl is that of a run
      # which was never stopped.
      is_evaluated = is_save_step or step % experiment.evaluate_every == 0
      is_saved = is_save_step or stop
      if step % experiment.log_every == 0:
        pending = (step, metrics, digest)
      if pending and (is_saved or is_evaluated):
        _write(experiment, folder, progress, collapse, *pending)
        pending = None

      with progress.paused():
        evaluation = {}
        if is_evaluated or is_saved:
          _check_finite(experiment, step, metrics)
        if is_evaluated:
          evaluation = _evaluate(experiment, folder, step, state)
          plateau.note(evaluation)
        if is_saved or plateau.is_reached():
          is_last = bool(stop) or plateau.is_reached() or step == last
          folder.save(state, evaluation, {"order_digest": digest}, is_last)
      if stop and step < last:
        print(f"stopped and saved at step {step} of {last}", flush=True)
        return stop
      if plateau.is_reached() and step < last:
        return _end_on_plateau(step, last)
  return errors.DONE


@contextlib.contextmanager
def names_what_fits(experiment: Experiment) -> Iterator[None]:
  """Out of memory is bad input: the batch is named, and a smaller one."""
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    if "RESOURCE_EXHAUSTED" not in str(error):
      raise
    size = experiment.batch_size
    smaller = size - experiment.batch_unit
    nearest = f"nearest smaller: {smaller or 'none'}"
    raise InputError(
      f"batch_size {size} takes more memory than a device has; {nearest}. "
      "compute.accumulation, model.remat and mesh.fsdp save memory too "
      f"({str(error).splitlines()[0]})"
    ) from error


def _end_on_plateau(step: int, last: int) -> int:
  print(
    f"ends at step {step} of {last}: the worst held-out task has not improved "
    "for evaluation.patience evaluations",
    flush=True,
  )
  return errors.DONE


def _restore_or_init(
  experiment: Experiment, folder: RunFolder, restore_step: int | None
) -> tuple[TrainState, OrderDigest]:
  """A saved state, or a new one; rows past it are cut."""
  data_digest = experiment.identity["data_digest"]
  found = folder.restore(
    experiment.state_shapes, experiment.state_sharding, restore_step
  )
  if found is not None:
    state, saved = found
    print(
      f"continues at step {int(state.step)} of {experiment.num_steps}",
      flush=True,
    )
    return state, OrderDigest(data_digest, saved["order_digest"])
  state = experiment.init_state()
  print(
    parameter_overview.get_parameter_overview(
      state.params, include_stats=False
    ),
    flush=True,
  )
  return state, OrderDigest(data_digest)


def _check_finite(
  experiment: Experiment, step: int, metrics: StepMetrics
) -> None:
  """Raises if a run has not moved for long, and says which task is to blame."""
  count = int(metrics.non_finite_in_a_row)
  if count < experiment.max_non_finite_in_a_row:
    return
  losses, counts = jax.device_get((metrics.losses, metrics.counts))
  bad = [
    name
    for name, loss, n in zip(experiment.task_names, losses, counts, strict=True)
    if n > 0 and not math.isfinite(loss)
  ]
  where = f"in the loss of {', '.join(bad)}" if bad else "in no task's loss"
  raise FloatingPointError(
    f"step {step}: gradients have not been finite since step "
    f"{step - count + 1}, {count} in a row (optimizer.max_non_finite_in_a_row "
    f"is {experiment.max_non_finite_in_a_row}); at step {step} NaN or inf is "
    f"{where}. Nothing of them was applied; the last checkpoint is whole"
  )


def _evaluate(
  experiment: Experiment, folder: RunFolder, step: int, state: TrainState
) -> dict[str, float]:
  values = evaluate_state(experiment.evaluate, state)
  folder.write(step, values)
  text = (
    f"step {step}  held-out: worst {values[WORST_TASK_LOSS]:.3f}  "
    f"mean {values['eval/mean_task_loss']:.3f}"
  )
  names = experiment.task_names
  unseen = [name for name in names if f"eval/loss/{name}" not in values]
  if unseen:
    # The rows stand as their documents do: a domain may come late.
    text += f"  no target of {', '.join(unseen)} (evaluation.max_rows)"
  print(text, flush=True)
  return values


def _write(
  experiment: Experiment,
  folder: RunFolder,
  progress: Progress,
  collapse: CollapseWarning,
  step: int,
  metrics: StepMetrics,
  order_digest: str,
) -> None:
  _check_finite(experiment, step, metrics)
  # The update that made this step the count was scheduled by the one before.
  rate = float(experiment.learning_rate(step - 1))
  values = train_values(experiment.task_names, metrics, rate)
  values["train/order_digest"] = as_number(order_digest)
  if experiment.regret_bound is not None:
    values["train/adversary_regret_bound"] = experiment.regret_bound(
      step, len(experiment.task_names), float(metrics.signal_range)
    )
  if warning := collapse.note(step, values):
    print(warning, flush=True)
  timing = progress.report(step, values)
  folder.write(step, values)
  with folder.lasting():
    folder.timing.write(step, timing)


@contextlib.contextmanager
def _stop_requests() -> Iterator[Callable[[int], int]]:
  """Yields a function of the step: the exit code asked for, 0 if none."""
  asked = []
  has_others = jax.process_count() > 1

  def request(signum, frame):
    del frame
    if signum == signal.SIGINT and asked:
      raise KeyboardInterrupt
    asked.append(
      errors.PREEMPTED if signum == signal.SIGTERM else errors.INTERRUPTED
    )
    if has_others:
      os.kill(os.getpid(), signal.SIGTERM)

  def stop_code_at(step):
    # Several processes agree on a step soon after one was asked to stop.
    if has_others and not multihost_utils.reached_preemption_sync_point(step):
      return errors.DONE
    if asked:
      return asked[0]
    return errors.PREEMPTED if has_others else errors.DONE

  # In a pod SIGTERM is JAX's own: it tells the other processes.
  numbers = (signal.SIGINT,) if has_others else (signal.SIGTERM, signal.SIGINT)
  before = {number: signal.signal(number, request) for number in numbers}
  try:
    yield stop_code_at
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
