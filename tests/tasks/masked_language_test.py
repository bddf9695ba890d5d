"""Which words are masked, how, and what the tasks' losses are made of."""

import functools

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.models import bert
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.transformer import TransformerOptions
from taskrobust_jax.tasks import masked_language
from taskrobust_jax.tasks.masked_language import (
  MaskedLanguage,
  Vocabulary,
  choose_words,
  corrupt,
  task_of_tag,
)
from taskrobust_jax.tasks.suite import TaskSuite

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


def suite_of(groups=GROUPS, max_predictions=4, word_fraction=0.5, apply=None):
  return MaskedLanguage(
    apply or model()[1],
    tuple(groups),
    task_of_tag(groups, TAGS, COUNTS),
    VOCABULARY,
    max_predictions,
    word_fraction,
  )


def losses_of(suite, *arguments):
  return jax.jit(suite.per_task_losses)(*arguments)


jitted_choice = jax.jit(choose_words, static_argnums=3)


@settings(deadline=None, max_examples=100)
@given(
  lengths=st.lists(st.integers(1, 4), min_size=1, max_size=8),
  is_group=st.lists(st.booleans(), min_size=8, max_size=8),
  most=st.integers(1, 12),
  fraction=st.sampled_from([0.1, 0.5, 1.0]),
  seed=st.integers(0, 2**31 - 1),
)
def test_whole_words_of_the_group_within_the_budget(
  lengths, is_group, most, fraction, seed
):
  is_start = np.zeros(34, bool)
  is_candidate = np.zeros(34, bool)
  words = []
  end = 1  # A special token comes first, and the row ends with others.
  for length, wanted in zip(lengths, is_group):
    is_start[end] = True
    is_candidate[end : end + length] = wanted
    words.append((end, end + length, wanted))
    end += length
  chosen = np.asarray(
    jitted_choice(jax.random.key(seed), is_start, is_candidate, fraction, most)
  )
  assert not chosen[~is_candidate].any()
  taken = [chosen[a:b] for a, b, wanted in words if wanted]
  assert all(word.all() or not word.any() for word in taken)
  assert chosen.sum() <= most
  num_group = len(taken)
  num_wanted = int(np.ceil(np.float32(fraction) * num_group))
  num_taken = sum(word.all() for word in taken)
  assert num_taken <= num_wanted
  if sum(len(word) for word in taken) <= most:  # Nothing was in the way.
    assert num_taken == num_wanted
  if fraction == 1.0:  # What was left whole did not fit.
    room = most - chosen.sum()
    assert all(word.all() or len(word) > room for word in taken)


def test_every_word_is_equally_likely():
  is_start = jnp.ones(8, bool)
  chosen = jax.vmap(lambda key: choose_words(key, is_start, is_start, 0.5, 8))(
    jax.random.split(jax.random.key(0), 4000)
  )
  np.testing.assert_allclose(chosen.mean(0), 0.5, atol=0.03)


def test_corruption_is_80_10_10():
  tokens = jnp.full(40_000, 7, jnp.int32)
  chosen = jnp.arange(40_000) % 2 == 0
  got = np.asarray(corrupt(jax.random.key(0), tokens, chosen, VOCABULARY))
  assert (got[1::2] == 7).all()
  changed = got[::2]
  np.testing.assert_allclose((changed == 4).mean(), 0.8, atol=0.01)
  # A drawn token is the old one once in 45 times.
  np.testing.assert_allclose((changed == 7).mean(), 0.1 + 0.1 / 45, atol=0.01)
  assert changed[changed != 4].min() >= 5
  assert changed.max() == 49


def test_vmapped_losses_equal_a_loop_over_tasks():
  params, apply = model()
  batch = random_batch(8)
  suite = suite_of()
  key = jax.random.key(3)
  losses, counts = losses_of(suite, params, batch, key)
  word_key, _ = jax.random.split(key)
  corrupt_row, apply = jax.jit(suite._corrupt_row), jax.jit(apply)
  for task in range(2):
    total = count = 0
    for row in range(8):
      if row % 2 != task:
        continue
      inputs, at, targets, is_target = corrupt_row(
        task,
        {name: value[row] for name, value in batch.items()},
        jax.random.fold_in(word_key, row),
      )
      tags = batch["tags"][row][np.asarray(at)]
      assert (tags[np.asarray(is_target)] == task + 1).all()
      logits = np.asarray(
        apply(
          params,
          inputs[None],
          batch["segment_ids"][row][None],
          batch["positions"][row][None],
          at[None],
        ),
        np.float64,
      )[0]
      log_norm = np.log(np.exp(logits).sum(-1))
      for m in np.flatnonzero(is_target):
        total += log_norm[m] - logits[m, targets[m]]
        count += 1
    np.testing.assert_allclose(losses[task], total / count, rtol=1e-5)
    assert counts[task] == count


def two_rows():
  """Row 0 has two targets, row 1 has one; every token is 0."""
  batch = jax.tree.map(np.zeros_like, random_batch(2))
  batch["tags"][0, 1:3] = batch["tags"][1, 1] = 1
  batch["word_starts"][0, 1:3] = batch["word_starts"][1, 1] = 1
  return batch


def right_in_row_0(params, inputs, segments, positions, at, key):
  """Sure of token 0 in row 0; slightly for token 1 in row 1."""
  row = jnp.arange(2)[:, None, None]
  token = jnp.arange(50)
  logits = jnp.where((row == 0) & (token == 0), 1e9, 0.0)
  logits += jnp.where((row == 1) & (token == 1), 1e-6, 0.0)
  return logits + jnp.zeros((*at.shape, 50))


def test_a_loss_is_a_sum_over_a_count_never_a_mean_of_means():
  suite = suite_of({"nouns": ["NOUN"]}, 4, 1.0, apply=right_in_row_0)
  losses, counts = losses_of(suite, None, two_rows(), jax.random.key(0))
  assert counts[0] == 3
  np.testing.assert_allclose(losses[0], np.log(50) / 3, rtol=1e-5)


def test_accuracy_counts_targets_alone():
  suite = suite_of({"nouns": ["NOUN"]}, 4, 1.0, apply=right_in_row_0)
  sums = suite.per_task_sums(None, two_rows(), jax.random.key(0))
  np.testing.assert_array_equal(sums.correct, [2.0])
  np.testing.assert_array_equal(sums.count, [3.0])


def test_a_row_draws_by_its_place_alone():
  suite = suite_of()
  batch, other = random_batch(4), random_batch(4, seed=1)
  for name in other:
    other[name][2] = batch[name][2]
  keys = masked_language._row_keys(jax.random.key(0), batch)
  draw = jax.jit(jax.vmap(suite._corrupt_row, in_axes=(None, 0, 0)))
  for one, two in zip(draw(0, batch, keys), draw(0, other, keys)):
    np.testing.assert_array_equal(one[2], two[2])
  assert (draw(0, batch, keys)[0][0] != draw(0, batch, keys[::-1])[0][0]).any()


def test_an_absent_task_has_count_0_and_a_finite_loss():
  params, _ = model()
  batch = random_batch(4)
  batch["tags"][batch["tags"] == 2] = 3  # No verbs.
  losses, counts = losses_of(suite_of(), params, batch, jax.random.key(0))
  assert counts[0] > 0
  assert counts[1] == 0
  assert np.isfinite(losses).all()


def test_evaluation_asks_every_row_for_every_task():
  params, _ = model()
  suite = suite_of(max_predictions=LENGTH, word_fraction=1.0)
  batch = random_batch(4)
  sums = jax.jit(suite.per_task_sums)(params, batch, jax.random.key(0))
  expected = [(batch["tags"] == k).sum() for k in (1, 2)]
  np.testing.assert_array_equal(sums.count, expected)
  assert (np.asarray(sums.correct) <= sums.count).all()


def test_ordinary_masking_is_the_case_of_one_group_and_a_full_budget():
  params, _ = model()
  suite = suite_of({"all": TAGS[1:]}, max_predictions=2, word_fraction=1.0)
  batch = random_batch(64)
  _, counts = losses_of(suite, params, batch, jax.random.key(0))
  # Two places a row, filled unless the row's words are all too long.
  assert 1.7 <= counts[0] / 64 <= 2


def test_products_do_not_grow_with_the_number_of_tasks():
  params, _ = model()
  groups = {name: [name] for name in TAGS[1:]}

  def products(groups, rows):
    step = lambda p: (
      suite_of(groups)
      .per_task_losses(p, random_batch(rows), jax.random.key(0))[0]
      .sum()
    )
    return str(jax.make_jaxpr(jax.grad(step))(params)).count("dot_general")

  assert products({"all": TAGS[1:]}, 6) == products(groups, 6)


def test_the_suite_is_one():
  assert isinstance(suite_of(), TaskSuite)


@pytest.mark.parametrize(
  ("groups", "message"),
  [
    ({}, "at least one task"),
    ({"nouns": ["NUON"]}, "unknown tag 'NUON'; did you mean 'NOUN'"),
    ({"nothing": ["_"]}, "unknown tag '_'"),
    ({"a": ["NOUN"], "b": ["VERB", "NOUN"]}, "'a' and 'b' overlap: .* 'NOUN'"),
    ({"a": ["NOUN", "NOUN"]}, "overlap"),
    ({"a": ["NOUN"], "b": []}, r"group 'b' \(\) matches no word"),
  ],
)
def test_bad_groups_are_named(groups, message):
  with pytest.raises(InputError, match=message):
    task_of_tag(groups, TAGS, COUNTS)


def test_a_group_without_words_is_named():
  with pytest.raises(InputError, match=r"group 'b' \(ADJ\) matches no word"):
    task_of_tag({"a": ["NOUN"], "b": ["ADJ"]}, TAGS, {"NOUN": 3, "ADJ": 0})
