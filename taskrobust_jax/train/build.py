"""From a config to the objects of a run; the only reader of configs."""

from collections.abc import Callable, Sequence
import functools
import json
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict
import numpy as np
import optax

from taskrobust_jax import minimax
from taskrobust_jax.data.order import Order
from taskrobust_jax.data.records import Dataset
from taskrobust_jax.errors import InputError
from taskrobust_jax.models.bert import Bert, BertOptions
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.transformer import TransformerOptions
from taskrobust_jax.tasks.masked_language import (
  MaskedLanguage,
  Vocabulary,
  task_of_tag,
)
from taskrobust_jax.tasks.suite import TaskSuite
from taskrobust_jax.train import batches, evaluation, sharding, state
from taskrobust_jax.train.optimizer import make_optimizer, warmup_linear
from taskrobust_jax.train.step import make_train_step

# What may differ when a run continues, since no value depends on it.
FREE_SECTIONS = ("mesh",)
DTYPES = ("float32", "bfloat16")


class Experiment(NamedTuple):
  """All that the loop needs; nothing in it has been computed yet.

  Attributes:
    task_names: K names.
    identity: JSON values that must be equal for a run to be continued.
    num_steps: Of the whole run.
    batch_size: B, over all hosts and tasks.
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
  """

  task_names: tuple[str, ...]
  identity: dict[str, Any]
  num_steps: int
  batch_size: int
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


def build(
  config: ConfigDict,
  dataset: Dataset,
  suite: TaskSuite | None = None,
  init_params: Callable[[jax.Array], Any] | None = None,
  devices: Sequence[jax.Device] | None = None,
) -> Experiment:
  """Makes the objects of a run; every check is done before anything compiles.

  Args:
    config: See `configs/pos_bert_smoke.py`.
    dataset: From `records.open_dataset`; anything with `split` and
      `info.digest` if you bring your own suite.
    suite: Your own tasks, or `None` for the config's.
    init_params: key -> params, needed with your own suite.
    devices: Those to use; all if `None`.

  Returns:
    An `Experiment`.

  Raises:
    InputError: If a value of the config is not legal.
  """
  if suite is None:
    init_params, suite = masked_language(config, dataset.info)
  mesh = sharding.make_mesh(**config.mesh, devices=devices)
  num_tasks = len(suite.task_names)
  _check_count("seed", config.seed, least=0)
  for name in ("num_steps", "batch_size", "log_every"):
    _check_count(name, config[name])
  for name in ("every", "batch_size"):
    _check_count(f"evaluation.{name}", config.evaluation[name])
  _check_count("evaluation.max_rows", config.evaluation.max_rows, least=0)
  for name in ("every", "keep_latest"):
    _check_count(f"checkpoint.{name}", config.checkpoint[name])
  sharding.check_batch_size("batch_size", config.batch_size, num_tasks, mesh)
  # In evaluation every row serves all tasks.
  sharding.check_batch_size(
    "evaluation.batch_size", config.evaluation.batch_size, 1, mesh
  )
  train_rows = dataset.split("train")
  order = Order(len(train_rows), config.batch_size, config.seed)

  learning_rate, tx = optimizer(config, num_tasks)
  init = functools.partial(state.initial_state, init_params, tx, config.seed)
  shapes = jax.eval_shape(init)
  shardings = sharding.state_sharding(mesh, shapes)
  return Experiment(
    task_names=tuple(suite.task_names),
    identity={
      "config": identity_of(config),
      "data_digest": dataset.info.digest,
      "task_names": list(suite.task_names),
    },
    num_steps=config.num_steps,
    batch_size=config.batch_size,
    log_every=config.log_every,
    evaluate_every=config.evaluation.every,
    save_every=config.checkpoint.every,
    keep_latest=config.checkpoint.keep_latest,
    mesh=mesh,
    state_shapes=shapes,
    state_sharding=shardings,
    init_state=jax.jit(init, out_shardings=shardings),
    load_batch=lambda step: batches.load(train_rows, order.rows(step), mesh),
    train_step=sharding.pjit_train_step(
      make_train_step(suite, tx, config.seed), mesh, shapes
    ),
    evaluate=evaluation.make_evaluate(
      suite,
      dataset.split("eval"),
      mesh,
      batch_size=config.evaluation.batch_size,
      max_rows=config.evaluation.max_rows,
      seed=config.seed,
    ),
    learning_rate=learning_rate,
  )


def masked_language(
  config: ConfigDict, info: Any
) -> tuple[Callable[[jax.Array], Any], MaskedLanguage]:
  """The model's initialiser and the suite of masked-language tasks.

  Args:
    config: `model` and `tasks` are read.
    info: Of the prepared dataset.

  Returns:
    (init_params, suite).
  """
  model, tasks = config.model, config.tasks
  if model.dtype not in DTYPES:
    raise InputError(f"model.dtype must be in {DTYPES}, got {model.dtype!r}")
  for name in ("num_layers", "width", "num_heads", "mlp_width"):
    _check_count(f"model.{name}", model[name])
  if model.width % model.num_heads:
    raise InputError(
      f"model.width must be a multiple of model.num_heads = {model.num_heads}, "
      f"got {model.width}"
    )
  if not 0 <= model.dropout_rate < 1:
    raise InputError(
      f"model.dropout_rate must be in [0, 1), got {model.dropout_rate}"
    )
  for name in ("word_fraction", "max_share"):
    if not 0 < tasks[name] <= 1:
      raise InputError(f"tasks.{name} must be in (0, 1], got {tasks[name]}")

  options = BertOptions(
    vocabulary_size=info.vocabulary_size,
    max_length=info.row_length,
    transformer=TransformerOptions(
      **{**model.to_dict(), "dtype": np.dtype(model.dtype)}
    ),
  )
  init_params, apply = functional(lambda rngs: Bert(options, rngs))
  groups = tasks.groups.to_dict()
  special = info.special_token_ids
  return init_params, MaskedLanguage(
    apply=apply,
    task_names=tuple(groups),
    tag_tasks=task_of_tag(groups, info.tag_names, info.tag_counts["train"]),
    vocabulary=Vocabulary(
      info.vocabulary_size, special["[MASK]"], max(special.values()) + 1
    ),
    max_predictions=max(1, round(tasks.max_share * info.row_length)),
    word_fraction=tasks.word_fraction,
  )


def optimizer(
  config: ConfigDict, num_tasks: int
) -> tuple[optax.Schedule, optax.GradientTransformationExtraArgs]:
  """(learning_rate, transform) of a config."""
  weighting = make_weighting(config.minimax)
  unmet = set(weighting.needs) - {"step"}
  if unmet:
    raise InputError(
      f"strategy {config.minimax.strategy} needs {', '.join(sorted(unmet))}, "
      "which this train step does not offer"
    )
  options = config.optimizer.to_dict()
  _check_count("optimizer.warmup_steps", options["warmup_steps"], least=0)
  learning_rate = warmup_linear(
    options.pop("learning_rate"), options.pop("warmup_steps"), config.num_steps
  )
  try:
    adversary = minimax.ascend(weighting, num_tasks, config.minimax.order)
    # It knows now how many tasks there are.
    jax.eval_shape(lambda: weighting.init(num_tasks))
  except ValueError as error:
    raise InputError(f"minimax: {error}") from error
  return learning_rate, make_optimizer(adversary, learning_rate, **options)


def make_weighting(section: ConfigDict) -> minimax.TaskWeighting:
  """Makes the strategy that a section `config.minimax` describes.

  Raises:
    InputError: For an unknown strategy, one changed without its arguments, or
      an argument out of range.
  """
  arguments = section.to_dict()
  name = arguments.pop("strategy")
  arguments.pop("order")
  try:
    legal = minimax.signature(name)
    if set(arguments) != set(legal):
      raise InputError(
        f"strategy {name!r} takes "
        f"{', '.join(legal) or 'no arguments'}, but the config holds "
        f"{', '.join(arguments) or 'none'}; change a strategy by "
        f"--config=FILE:strategy={name}"
      )
    return minimax.make(name, **arguments)
  except (TypeError, ValueError) as error:
    raise InputError(f"minimax: {error}") from error


def identity_of(config: ConfigDict) -> dict[str, Any]:
  """The part of a config that its results depend on, as JSON values."""
  values = json.loads(json.dumps(config.to_dict()))
  return {k: v for k, v in values.items() if k not in FREE_SECTIONS}


def _check_count(name: str, value: Any, least: int = 1) -> None:
  if not isinstance(value, int) or isinstance(value, bool) or value < least:
    raise InputError(f"{name} must be a whole number >= {least}, got {value!r}")
