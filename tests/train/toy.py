"""Runs small enough for tests.

Made rows and the real config, with the real suite and model, or with a suite
that compiles at once.
"""

import types

import jax
import jax.numpy as jnp
import numpy as np

from configs import pos_bert_smoke
from taskrobust_jax.data.tagging.part_of_speech import TAG_NAMES
from taskrobust_jax.tasks.suite import TaskSums
from taskrobust_jax.train import build

LENGTH = 16
VOCABULARY_SIZE = 60


class Rows:
  """Rows of one-piece words in memory, with a pattern that can be learnt."""

  def __init__(self, num_rows, seed):
    random = np.random.default_rng(seed)
    shape = (num_rows, LENGTH)
    tags = random.integers(1, len(TAG_NAMES), shape)
    # A word is its tag, in one of three forms.
    tokens = 5 + 3 * tags + random.integers(0, 3, shape)
    self.rows = {
      "tokens": tokens,
      "segment_ids": np.ones(shape),
      "positions": np.tile(np.arange(LENGTH), (num_rows, 1)),
      "word_starts": np.ones(shape),
      "tags": tags,
    }
    self.rows = {k: v.astype(np.int32) for k, v in self.rows.items()}
    for name in ("word_starts", "tags"):
      self.rows[name][:, 0] = 0

  def __len__(self):
    return len(self.rows["tokens"])

  def read(self, indices):
    return {name: rows[indices] for name, rows in self.rows.items()}


class Dataset:
  """Stands in for `records.Dataset`."""

  info = types.SimpleNamespace(
    vocabulary_size=VOCABULARY_SIZE,
    row_length=LENGTH,
    tag_names=TAG_NAMES,
    tag_counts={"train": dict.fromkeys(TAG_NAMES[1:], 1)},
    special_token_ids={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
    | {"[MASK]": 4},
    digest="toy",
  )

  def __init__(self, num_train=96, num_eval=20):
    self._splits = {"train": Rows(num_train, 0), "eval": Rows(num_eval, 1)}

  def split(self, name):
    return self._splits[name]


def config(text="", **changes):
  """The smoke config made small; `changes` are dotted names with `__`."""
  values = pos_bert_smoke.get_config(text)
  small = {
    "num_steps": 20,
    "batch_size": 32,
    "log_every": 5,
    "data__row_length": LENGTH,
    "model__num_layers": 1,
    "model__width": 16,
    "model__mlp_width": 32,
    "optimizer__warmup_steps": 2,
    "optimizer__learning_rate": 1e-2,
    "evaluation__every": 10,
    "evaluation__batch_size": 8,
    "checkpoint__every": 10,
  }
  for name, value in {**small, **changes}.items():
    *sections, key = name.split("__")
    target = values
    for section in sections:
      target = target[section]
    target[key] = value
  return values


class Squares:
  """Three tasks that compile in a moment; the third is often absent.

  Row i serves task i mod 3 in training and all tasks in evaluation. What is
  drawn shows in the losses, so that a wrong random stream does too.
  """

  task_names = ("first", "second", "rare")
  batch_multiple = 3

  def per_task_losses(self, params, batch, rng):
    errors, is_target = self._errors(params, batch, rng)
    serves = jnp.arange(len(errors))[:, None] % 3 == jnp.arange(3)
    counts = (is_target & serves).sum(0, dtype=jnp.float32)
    total = jnp.where(is_target & serves, errors, 0.0).sum(0)
    return total / jnp.maximum(counts, 1.0), counts

  def _errors(self, params, batch, rng):
    """[B, 3] errors, and which of them count."""
    size = len(batch["tokens"])
    keys = jax.vmap(jax.random.fold_in, (None, 0))(rng, jnp.arange(size))
    noise = jax.vmap(jax.random.normal)(keys)
    x = batch["tokens"] / VOCABULARY_SIZE
    hidden = jnp.tanh(x @ params["hidden"]["kernel"]).sum(-1)
    wanted = x[:, 1] + 0.1 * noise
    errors = (hidden - wanted)[:, None] + params["head"]["bias"]
    is_row = batch["segment_ids"][:, :1] > 0
    is_rare = batch["tags"][:, 1:2] <= 2
    common = jnp.broadcast_to(is_row, (size, 2))
    return errors**2, jnp.concatenate([common, is_row & is_rare], 1)


class SquaresWithSums(Squares):
  """The same tasks, with an evaluation of their own."""

  def per_task_sums(self, params, batch, rng):
    errors, is_target = self._errors(params, batch, rng)
    return TaskSums(
      loss=jnp.where(is_target, errors, 0.0).sum(0),
      correct=(is_target & (errors < 0.1)).sum(0, dtype=jnp.float32),
      count=is_target.sum(0, dtype=jnp.float32),
    )


def init_params(key):
  """Those of `Squares`."""
  kernel = 0.1 * jax.random.normal(key, (LENGTH, 4))
  return {"hidden": {"kernel": kernel}, "head": {"bias": jnp.zeros(3)}}


def small_experiment(text="", devices=None, **changes):
  """A run of `SquaresWithSums`; see `config`."""
  values = config(text, **{"batch_size": 24, **changes})
  return build.build(
    values, Dataset(), SquaresWithSums(), init_params, devices=devices
  )


def assert_same_bits(one, other):
  """Every leaf of two trees is equal, bit by bit."""
  assert jax.tree.structure(one) == jax.tree.structure(other)
  for (path, a), b in zip(
    jax.tree.leaves_with_path(one), jax.tree.leaves(other)
  ):
    a, b = np.asarray(a), np.asarray(b)
    assert (a.dtype, a.shape) == (b.dtype, b.shape), path
    assert a.tobytes() == b.tobytes(), path
