"""A run small enough for tests: made rows, the real config, suite and model."""

import types

import numpy as np

from configs import pos_bert_smoke
from taskrobust_jax.data.part_of_speech import TAG_NAMES

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
