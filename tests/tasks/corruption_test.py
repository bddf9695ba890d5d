"""Which words are drawn, and what becomes of them."""

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax.tasks.corruption import (
  choose_words,
  corrupt,
  make_vocabulary,
)
from tests.tasks.small import VOCABULARY

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


def test_any_token_but_a_special_one_is_drawn_equally():
  ids = {"[PAD]": 0, "[UNK]": 5, "[CLS]": 6, "[SEP]": 2, "[MASK]": 11}
  vocabulary = make_vocabulary(12, ids)
  assert vocabulary == (12, 11, 1, (2, 5, 6, 11))
  tokens = jnp.full(200_000, 3)
  found = corrupt(jax.random.key(0), tokens, tokens > 0, vocabulary)
  counts = np.bincount(found, minlength=12) / len(tokens)
  assert not counts[[0, 2, 5, 6]].any()
  np.testing.assert_allclose(counts[11], 0.8, atol=0.01)
  np.testing.assert_allclose(counts[[1, 4, 7, 8, 9, 10]], 0.1 / 7, atol=0.002)


def test_a_vocabulary_trained_here_has_its_special_tokens_first():
  ids = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
  assert make_vocabulary(50, ids) == VOCABULARY
