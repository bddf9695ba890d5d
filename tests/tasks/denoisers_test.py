"""What each denoiser hides, and that it is a suite like any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks.corruption import Vocabulary
from taskrobust_jax.tasks.denoisers import R_S_X, Denoisers, most_predictions
from taskrobust_jax.tasks.masked_language import MaskedLanguage
from taskrobust_jax.train import build
from tests.tasks.budgets_test import APPLY, PARAMS
from tests.tasks.small import VOCABULARY, random_batch
from tests.train import toy

LENGTH = 128
REGULAR, SEQUENTIAL, EXTREME = range(3)


def row_of(*texts, piece=1):
  """Texts of so many words, [CLS] and [SEP] around each; then padding."""
  row = {
    name: np.zeros(LENGTH, np.int32)
    for name in ("tokens", "segment_ids", "word_starts", "tags")
  }
  at = 0
  for number, num_words in enumerate(texts, 1):
    end = at + 2 + num_words * piece
    row["segment_ids"][at:end] = number
    row["tokens"][at:end] = np.arange(at, end) + 5
    row["tags"][at + 1 : end - 1] = 1
    row["word_starts"][at + 1 : end - 1 : piece] = 1
    at = end
  return row


def hidden(task, row, num_keys=400, most=LENGTH):
  """[keys, L] bool: the pieces hidden."""
  hide = Denoisers(Vocabulary(200, 4, 5), most)
  keys = jax.random.split(jax.random.key(0), num_keys)
  found = jax.jit(jax.vmap(hide, in_axes=(None, None, 0)))(task, row, keys)
  chosen = np.asarray(found.is_chosen)
  expected = np.where(chosen, 4, row["tokens"])
  np.testing.assert_array_equal(found.inputs, expected)
  assert (np.asarray(found.tasks) == task).all()
  assert not chosen[:, row["tags"] == 0].any()
  return chosen


@pytest.mark.parametrize("task", [REGULAR, EXTREME])
def test_spans_hide_their_share_in_runs_of_their_length(task):
  kind = list(R_S_X.values())[task]
  row = row_of(60, 60)
  chosen = hidden(task, row)
  # The first words of a text have fewer places where a span over them starts.
  inner = np.r_[1 + kind.span : 61, 63 + kind.span : 123]
  np.testing.assert_allclose(chosen[:, inner].mean(), kind.share, atol=0.03)
  runs = np.diff(
    np.flatnonzero(np.diff(np.pad(chosen, ((0, 0), (1, 1))).ravel()))
  )
  lengths = runs[::2]
  # No shorter than a span, but at the end of a text.
  assert (lengths >= kind.span).mean() > 0.8
  assert chosen.any(1).all()


def test_a_span_ends_with_its_text():
  chosen = hidden(EXTREME, row_of(3, 100), num_keys=800)
  only_first = chosen[:, 1:4].any(1)
  begins_second = chosen[:, 6]
  # A span of 8 words from the first text would reach into the second.
  assert begins_second[only_first].mean() < 0.3


def test_sequential_hides_the_last_quarter_of_each_text():
  chosen = hidden(SEQUENTIAL, row_of(8, 20, 1, piece=2), num_keys=2)
  expected = np.zeros(LENGTH, bool)
  expected[1 + 12 : 1 + 16] = True  # 2 of 8 words.
  expected[19 + 30 : 19 + 40] = True  # 5 of 20.
  expected[61:63] = True  # The one word.
  np.testing.assert_array_equal(chosen, [expected, expected])


def test_no_more_than_what_fits_and_whole_words():
  chosen = hidden(EXTREME, row_of(60, piece=2), most=11)
  assert chosen.sum(1).max() == 10
  pieces = chosen[:, 1:121].reshape(len(chosen), 60, 2)
  np.testing.assert_array_equal(pieces[..., 0], pieces[..., 1])


def test_a_row_without_words_hides_nothing():
  for task in range(3):
    assert not hidden(task, row_of(), num_keys=2).any()


def test_the_suite_equals_what_its_hiding_says():
  hiding = Denoisers(VOCABULARY, most_predictions(16))
  assert hiding.max_predictions == 10
  suite = MaskedLanguage(APPLY, hiding)
  batch, key = random_batch(12), jax.random.key(1)
  losses, counts = jax.jit(suite.per_task_losses)(PARAMS, batch, key)
  word_key, _ = jax.random.split(key)
  expected = np.zeros(3)
  for i in range(12):
    row = {name: jnp.asarray(value[i]) for name, value in batch.items()}
    found = hiding(i % 3, row, jax.random.fold_in(word_key, i))
    expected[i % 3] += found.is_chosen.sum()
  np.testing.assert_array_equal(counts, expected)
  assert suite.task_names == ("regular", "sequential", "extreme")
  assert np.isfinite(losses).all()
  with pytest.raises(InputError, match="which Denoisers cannot"):
    MaskedLanguage(APPLY, hiding, budget="one_input")


@pytest.mark.ci
def test_a_config_trains_them():
  config = toy.config(tasks__hiding="denoisers", batch_size=24)
  experiment = build.build(config, toy.Dataset())
  assert experiment.task_names == tuple(R_S_X)
  state = experiment.init_state()
  _, metrics = experiment.train_step(state, experiment.load_batch(0))
  assert (metrics.counts > 0).all()
  assert np.isfinite(metrics.losses).all()
  with pytest.raises(InputError, match="must be word_groups or denoisers, got"):
    build.build(toy.config(tasks__hiding="words"), toy.Dataset())
