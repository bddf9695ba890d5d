"""The models and batches that training is timed with, and their plain step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict
import numpy as np
import optax

from taskrobust_jax import configuring, minimax
from taskrobust_jax.planning.without_data import dataset_of
from taskrobust_jax.train import optimizer, sharding, state, step, suites


class Workload(NamedTuple):
  """A model, its tasks and a batch on the devices.

  Attributes:
    init_params: key -> params.
    suite: The tasks.
    batch: Global.
    num_rows: B.
    tokens: Of the batch that the encoder takes in: pieces of words, or visible
      patches.
    positions: Of one row whose losses are computed.
  """

  init_params: Callable[[jax.Array], Any]
  suite: Any
  batch: Any
  num_rows: int
  tokens: int
  positions: int


def bert_config(
  size: str, row_length: int, *, all_positions: bool = False
) -> ConfigDict:
  """BERT as it is trained; `all_positions` computes every position's logits."""
  config = configuring.pos_bert(
    "", size=size, strategy="mirror_ascent", arguments={"step_size": 0.02}
  )
  config.data.row_length = row_length
  if all_positions:
    config.tasks.max_share = 1.0
  return config


def vision_config(kind: str) -> ConfigDict:
  """ViT-B: "mae" (pixels, 49 of 196 patches) or "multimae" (98, six tasks)."""
  is_mae = kind == "mae"
  config = configuring.masked_autoencoder(
    "",
    size="base",
    strategy="mirror_ascent",
    arguments={"step_size": 0.02},
    inputs=("rgb",),
    outputs=(
      ("rgb",)
      if is_mae
      else ("rgb", "hog", "edges", "depth", "normals", "semseg")
    ),
    decoder=(8, 512, 16) if is_mae else (2, 256, 8),
  )
  config.tasks.num_visible = 49 if is_mae else 98
  config.model.has_cross_attention = not is_mae
  return config


def workload(
  config: ConfigDict, num_rows: int, num_tasks: int | None = None
) -> Workload:
  """Makes a model, and a batch of made-up rows.

  Args:
    config: From the functions above.
    num_rows: B.
    num_tasks: K, of text alone: as many tags, a word's drawn at random. The
      config's if `None`.
  """
  random = np.random.default_rng(0)
  dataset = dataset_of(config)
  if config.tasks.kind == "masked_image":
    init_params, suite = suites.make_suite(config, dataset.info)
    batch = dataset.split("train").read(range(num_rows))
    tokens = num_rows * (1 + suite.num_visible)
    positions = suite.num_patches
  else:
    tags = dataset.info.tag_names
    if num_tasks is not None:
      config.tasks.groups = ConfigDict(
        {f"task_{k}": (f"TAG_{k}",) for k in range(num_tasks)}
      )
      tags = ("_", *(f"TAG_{k}" for k in range(num_tasks)))
      dataset.info.tag_names = tags
      dataset.info.tag_counts = {"train": dict.fromkeys(tags[1:], 1)}
    init_params, suite = suites.make_suite(config, dataset.info)
    length = config.data.row_length
    shape = (num_rows, length)
    batch = {
      "tokens": random.integers(5, config.data.vocabulary_size, shape),
      "segment_ids": np.ones(shape),
      "positions": np.tile(np.arange(length), (num_rows, 1)),
      "word_starts": np.ones(shape),
      "tags": random.integers(1, len(tags), shape),
    }
    batch = jax.tree.map(lambda x: x.astype(np.int32), batch)
    tokens, positions = num_rows * length, suite.hiding.max_predictions
  return Workload(
    init_params, suite, on_devices(batch), num_rows, tokens, positions
  )


def on_devices(batch: Any) -> Any:
  """A batch, its rows over all devices."""
  return jax.device_put(batch, sharding.batch_sharding(sharding.make_mesh()))


def make_tx(
  first_link: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
  """The chain of a run, at a constant rate."""
  return optimizer.make_optimizer(
    first_link,
    lambda step: 1e-4,
    b1=0.9,
    b2=0.999,
    eps=1e-6,
    weight_decay=0.01,
    clip_norm=1.0,
    skip_norm_above=0.0,
  )


def minimax_step(
  suite: Any, strategy: str = "mirror_ascent"
) -> tuple[Callable[..., Any], Any]:
  """(the train step, its optimizer)."""
  weighting = minimax.make(strategy)
  tx = make_tx(minimax.ascend(weighting, len(suite.task_names)))
  return step.make_train_step(suite, tx, needs=weighting.needs), tx


def plain_step(suite: Any) -> tuple[Callable[..., Any], Any]:
  """(the same with the mean of the losses and `jax.grad`, its optimizer)."""
  tx = make_tx(optax.identity())

  def train_step(now, batch):
    rng = jax.random.fold_in(state.stream("train", now.seed), now.step)

    def mean_loss(params):
      losses, counts = suite.per_task_losses(params, batch, rng)
      return losses.mean(), (losses, counts)

    gradients, told = jax.grad(mean_loss, has_aux=True)(now.params)
    updates, opt_state = tx.update(
      gradients, now.opt_state, now.params, step=now.step
    )
    params = optax.apply_updates(now.params, updates)
    return now._replace(
      step=now.step + 1, params=params, opt_state=opt_state
    ), told

  return train_step, tx


def compiled_step(
  train_step: Callable[..., Any], tx: Any, work: Workload
) -> tuple[Any, Callable[[], None]]:
  """(the compiled program, a function that runs one step to its end)."""
  mesh = sharding.make_mesh()
  init = lambda: state.initial_state(work.init_params, tx, 0)
  shapes = jax.eval_shape(init)
  compiled = (
    sharding.pjit_train_step(train_step, mesh, shapes)
    .lower(shapes, work.batch)
    .compile()
  )
  now = jax.jit(init, out_shardings=sharding.state_sharding(mesh, shapes))()

  def run():
    nonlocal now
    now, told = compiled(now, work.batch)
    jax.block_until_ready((now, told))

  return compiled, run
