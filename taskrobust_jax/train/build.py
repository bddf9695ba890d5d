"""From a config to the objects of a run; `sections` and `suites` read parts."""

from collections.abc import Callable, Sequence
import functools
import json
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict
import numpy as np
import optax

from taskrobust_jax.data.order import Order
from taskrobust_jax.data.text.records import Dataset
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.event_files import check_writer
from taskrobust_jax.tasks.suite import TaskSuite
from taskrobust_jax.train import (
  accumulation,
  averages,
  batches,
  datasets,
  evaluation,
  sections,
  sharding,
  state,
  suites,
)
from taskrobust_jax.train.checks import check_count
from taskrobust_jax.train.start import Start
from taskrobust_jax.train.step import make_train_step

# What may differ when a run continues, since no value depends on it, and what
# it is where a run is only read.
FREE = {
  "mesh": {"data": -1, "fsdp": 1, "tensor": 1},
  "compute": {"accumulation": 1, "remat_saves": "nothing", "attention": "xla"},
  "log_writer": "none",
  "checkpoint.on_error": "stop",
  "optimizer.max_non_finite_in_a_row": 1,
}
# What a run does when its disk refuses to be written.
ON_ERROR = ("stop", "continue")


class Experiment(NamedTuple):
  """All that the loop needs; no param has been made yet.

  Attributes:
    suite: The tasks.
    task_names: K names.
    identity: JSON values that must be equal for a run to be continued.
    num_steps: Of the whole run.
    batch_size: B, over all hosts and tasks.
    batch_unit: What B is a multiple of.
    log_every: Steps between rows of metrics.
    evaluate_every: Steps between held-out evaluations.
    save_every: Steps between checkpoints.
    keep_latest: Checkpoints kept besides the best.
    mesh: The devices.
    state_shapes: `TrainState` of `jax.ShapeDtypeStruct`.
    state_sharding: `TrainState` of shardings.
    init_state: () -> `TrainState`, on the mesh.
    load_batch: step -> the global batch, on the mesh.
    train_step: The compiled step; it takes over its state's memory.
    evaluate: params -> held-out values.
    learning_rate: step -> rate.
    regret_bound: (num_steps, num_tasks, signal_range) -> the bound of
      `minimax.adversary_regret_bound`, or `None` where it does not hold.
    patience: Evaluations in a row without a better worst task after which
      training ends; 0 for never.
    rows_of_step: step -> [B] int64, the rows of its global batch.
    max_non_finite_in_a_row: Gradients after which training fails.
    on_error: One of `ON_ERROR`.
    log_writer: One of `event_files.WRITERS`.
    evaluates_start: Whether the params that training begins with are judged.
  """

  suite: TaskSuite
  task_names: tuple[str, ...]
  identity: dict[str, Any]
  num_steps: int
  batch_size: int
  batch_unit: int
  log_every: int
  evaluate_every: int
  save_every: int
  keep_latest: int
  mesh: Mesh
  state_shapes: state.TrainState
  state_sharding: state.TrainState
  init_state: Callable[[], state.TrainState]
  load_batch: Callable[[int], Any]
  train_step: Callable[..., Any]
  evaluate: Callable[[Any], dict[str, float]]
  learning_rate: optax.Schedule
  regret_bound: Callable[..., float] | None
  patience: int
  rows_of_step: Callable[[int], np.ndarray]
  max_non_finite_in_a_row: int
  on_error: str
  log_writer: str
  evaluates_start: bool = True


def build(
  config: ConfigDict,
  dataset: Dataset,
  suite: TaskSuite | None = None,
  init_params: Callable[[jax.Array], Any] | None = None,
  devices: Sequence[jax.Device] | None = None,
  start: Start | None = None,
  make_order: Callable[..., Order] = Order,
) -> Experiment:
  """Makes the objects of a run; every check is done before anything compiles.

  Args:
    config: Its keys stand in `configuring.py`.
    dataset: From `records.open_dataset`; anything with `split` and
      `info.digest` if you bring your own suite.
    suite: Your own tasks, or `None` for the config's.
    init_params: key -> params, needed with your own suite. Arrays that it
      holds belong into a `jax.tree_util.Partial`: others become constants of
      the compiled program.
    devices: Those to use; all if `None`.
    start: Params in place of new ones; the optimizer is new in any case.
    make_order: (rows, batch size, seed) -> which rows make a batch.

  Returns:
    An `Experiment`.

  Raises:
    InputError: If a value of the config is not legal, or the params to start
      from are another model's.
  """
  change_of_step = lambda step: None
  is_own = suite is None
  if is_own:
    init_params, suite = suites.make_suite(config, dataset.info)
    if config.tasks.kind == "masked_image":
      change_of_step = datasets.augmentation(config, dataset.info.height)
  mesh = sharding.make_mesh(**config.mesh, devices=devices)
  if is_own:
    sharding.check_tensor(suites.transformers(config), mesh)
  num_tasks = len(suite.task_names)
  _check(config)
  batch_multiple = getattr(suite, "batch_multiple", 1)
  num_parts = config.compute.accumulation
  sharding.check_batch_size(
    "batch_size", config.batch_size, batch_multiple, mesh, num_parts
  )
  if hasattr(suite, "check_batch_size"):
    suite.check_batch_size(config.batch_size)
  # In evaluation every row serves all tasks.
  sharding.check_batch_size(
    "evaluation.batch_size", config.evaluation.batch_size, 1, mesh
  )
  train_rows, eval_rows = dataset.split("train"), dataset.split("eval")
  order = make_order(len(train_rows), config.batch_size, config.seed)
  # An index costs microseconds, and is asked for twice.
  rows_of_step = functools.lru_cache(maxsize=2)(order.rows)

  given = sections.references_of(config, dataset.info, suite.task_names)
  weighting = sections.make_weighting(config.minimax, given, config.num_steps)
  learning_rate, tx = sections.optimizer(config, weighting, num_tasks)
  held_out = ()  # What the adversary is shown besides the batch.
  if "held_out_losses" in weighting.needs:
    rows = _adversary_rows(
      config.evaluation, len(eval_rows), sharding.num_row_shards(mesh)
    )
    held_out = (batches.load(eval_rows, rows, mesh),)
  average_decay = config.optimizer.average_decay
  averages.check_decay(average_decay)
  if start is not None:
    start.check(jax.eval_shape(init_params, jax.random.key(0)))
    init_params = start.init_params
  if not isinstance(init_params, jax.tree_util.Partial):
    init_params = jax.tree_util.Partial(init_params)
  init = functools.partial(
    state.initial_state,
    tx=tx,
    has_averages=average_decay > 0,
  )
  seed = np.uint32(config.seed)
  shapes = jax.eval_shape(init, init_params, seed=seed)
  shardings = sharding.state_sharding(mesh, shapes)
  identity = {
    "config": identity_of(config),
    "data_digest": dataset.info.digest,
    "task_names": list(suite.task_names),
    "init_from": start and start.identity,
  }
  if given is not None:
    identity["references"] = given.digest
  train_step = sharding.pjit_train_step(
    make_train_step(
      suite,
      tx,
      evaluation.held_out_losses(suite),
      needs=weighting.needs,
      average_decay=average_decay,
      accumulated_vjp=accumulation.make_accumulated_vjp(
        suite, num_parts, weighting, config.minimax.order
      ),
    ),
    mesh,
    shapes,
    num_batches=1 + len(held_out),
  )
  return Experiment(
    suite=suite,
    task_names=tuple(suite.task_names),
    identity=identity,
    num_steps=config.num_steps,
    batch_size=config.batch_size,
    batch_unit=sharding.batch_unit(batch_multiple, mesh, num_parts),
    log_every=config.log_every,
    evaluate_every=config.evaluation.every,
    save_every=config.checkpoint.every,
    keep_latest=config.checkpoint.keep_latest,
    mesh=mesh,
    state_shapes=shapes,
    state_sharding=shardings,
    init_state=functools.partial(
      jax.jit(init, out_shardings=shardings), init_params, seed=seed
    ),
    load_batch=lambda step: batches.load(
      train_rows, rows_of_step(step), mesh, change_of_step(step)
    ),
    train_step=(
      (lambda state, batch: train_step(state, batch, *held_out))
      if held_out
      else train_step
    ),
    evaluate=evaluation.make_evaluate(
      suite,
      eval_rows,
      mesh,
      batch_size=config.evaluation.batch_size,
      max_rows=config.evaluation.max_rows,
      seed=config.seed,
    ),
    learning_rate=learning_rate,
    regret_bound=sections.regret_bound(config.minimax),
    patience=config.evaluation.patience,
    rows_of_step=rows_of_step,
    max_non_finite_in_a_row=config.optimizer.max_non_finite_in_a_row,
    on_error=config.checkpoint.on_error,
    log_writer=config.log_writer,
  )


def _check(config: ConfigDict) -> None:
  """Raises InputError unless counts are counts and choices are legal."""
  check_count("seed", config.seed, least=0)
  for name in ("num_steps", "batch_size", "log_every"):
    check_count(name, config[name])
  for name in ("every", "batch_size"):
    check_count(f"evaluation.{name}", config.evaluation[name])
  for name in ("max_rows", "patience", "adversary_rows"):
    check_count(f"evaluation.{name}", config.evaluation[name], least=0)
  for name in ("every", "keep_latest"):
    check_count(f"checkpoint.{name}", config.checkpoint[name])
  check_count("compute.accumulation", config.compute.accumulation)
  check_writer(config.log_writer)
  if config.checkpoint.on_error not in ON_ERROR:
    raise InputError(
      f"checkpoint.on_error must be in {ON_ERROR}, got "
      f"{config.checkpoint.on_error!r}"
    )
  if config.checkpoint.on_error == "continue" and jax.process_count() > 1:
    raise InputError(
      'checkpoint.on_error must be "stop" with several processes: they could '
      "not agree on which of them has saved"
    )


def _adversary_rows(
  section: ConfigDict, num_rows: int, num_shards: int
) -> np.ndarray:
  """Held-out rows that evaluation, and so the choice of a model, never uses."""
  first = section.max_rows
  if not 0 < first < num_rows:
    raise InputError(
      "signal held_out needs rows that evaluation leaves: evaluation.max_rows "
      f"must be in [1, {num_rows - 1}], got {first}"
    )
  if not section.adversary_rows:
    raise InputError("evaluation.adversary_rows must be >= 1 for held_out")
  last = min(first + section.adversary_rows, num_rows)
  rows = np.full(-(-(last - first) // num_shards) * num_shards, -1)
  rows[: last - first] = np.arange(first, last)
  return rows


def config_of(values: dict[str, Any]) -> ConfigDict:
  """A config from what `identity_of` gave, for a machine of its own."""
  config = ConfigDict(values)
  for name, value in FREE.items():
    section, _, key = name.rpartition(".")
    (config[section] if section else config)[key] = value
  return config


def identity_of(config: ConfigDict) -> dict[str, Any]:
  """The part of a config that its results depend on, as JSON values."""
  values = json.loads(json.dumps(config.to_dict()))
  for name in FREE:
    section, _, key = name.rpartition(".")
    del (values[section] if section else values)[key]
  return values
