"""Rows, a model and a suite that compile in a moment."""

import functools

import jax
import numpy as np

from taskrobust_jax.models import bert
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.transformer import TransformerOptions
from taskrobust_jax.tasks.corruption import Vocabulary
from taskrobust_jax.tasks.groups import task_of_tag
from taskrobust_jax.tasks.hiding import WordGroups
from taskrobust_jax.tasks.masked_language import MaskedLanguage

VOCABULARY = Vocabulary(size=50, mask_id=4, num_special=5)
TAGS = ("_", "NOUN", "VERB", "ADJ")
GROUPS = {"nouns": ["NOUN"], "verbs": ["VERB"]}
COUNTS = {"NOUN": 1, "VERB": 1, "ADJ": 1}
LENGTH = 16


def random_batch(num_rows, seed=0):
  """Rows [CLS] words [SEP] padding, words of 1 to 3 pieces."""
  random = np.random.default_rng(seed)
  batch = {
    name: np.zeros((num_rows, LENGTH), np.int32)
    for name in ("tokens", "segment_ids", "positions", "word_starts", "tags")
  }
  for row in range(num_rows):
    end = 1
    while end + 3 < LENGTH - 1:
      pieces = random.integers(1, 4)
      batch["word_starts"][row, end] = 1
      batch["tags"][row, end : end + pieces] = random.integers(1, len(TAGS))
      end += pieces
    batch["tokens"][row, : end + 1] = random.integers(5, 50, end + 1)
    batch["segment_ids"][row, : end + 1] = 1
    batch["positions"][row, : end + 1] = np.arange(end + 1)
  return batch


@functools.cache
def model():
  options = bert.BertOptions(
    vocabulary_size=VOCABULARY.size,
    max_length=LENGTH,
    transformer=TransformerOptions(1, 8, 2, 16, dropout_rate=0.0),
  )
  init, apply = functional(lambda rngs: bert.Bert(options, rngs))
  return init(jax.random.key(0)), apply


def suite_of(
  groups=GROUPS, max_predictions=4, word_fraction=0.5, apply=None, **budget
):
  hiding = WordGroups(
    tuple(groups),
    task_of_tag(groups, TAGS, COUNTS),
    VOCABULARY,
    max_predictions,
    word_fraction,
  )
  return MaskedLanguage(apply or model()[1], hiding, **budget)


def losses_of(suite, *arguments):
  return jax.jit(suite.per_task_losses)(*arguments)
