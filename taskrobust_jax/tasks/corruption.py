"""What is hidden of a row: whole words, then BERT's corruption of them."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Vocabulary(NamedTuple):
  """What corruption needs to know of the vocabulary.

  Attributes:
    size: V.
    mask_id: Id of [MASK].
    num_special: Ids below this are special and never drawn at random.
    other_special: Special ids above them, ascending; a vocabulary that was made
      elsewhere has some (BERT's has its own at 100 to 103).
  """

  size: int
  mask_id: int
  num_special: int
  other_special: tuple[int, ...] = ()


def make_vocabulary(
  size: int, special_token_ids: Mapping[str, int]
) -> Vocabulary:
  """The `Vocabulary` with these special tokens.

  Args:
    size: V.
    special_token_ids: Of a prepared dataset.
  """
  ids = sorted(special_token_ids.values())
  num_first = sum(number == place for place, number in enumerate(ids))
  return Vocabulary(
    size, special_token_ids["[MASK]"], num_first, tuple(ids[num_first:])
  )


def choose_words(
  key: jax.Array,
  is_word_start: jax.Array,
  is_candidate: jax.Array,
  word_fraction: float,
  max_predictions: int,
) -> jax.Array:
  """Draws whole words of one row.

  Words are put in random order, and the first `word_fraction` of them (at least
  one) are taken in turn. A word that would exceed `max_predictions` pieces is
  left whole, and the next one is tried, as in BERT.

  Args:
    key: A key.
    is_word_start: [L] bool, first piece of each word.
    is_candidate: [L] bool, equal on all pieces of a word.
    word_fraction: In (0, 1].
    max_predictions: The most pieces.

  Returns:
    [L] bool, the pieces of the chosen words.
  """
  length = is_word_start.shape[0]
  place = jnp.arange(length)
  is_start = is_word_start & is_candidate
  # Every piece knows where its word starts, and every start how long it is.
  start_of = jax.lax.cummax(jnp.where(is_word_start, place, 0))
  num_pieces = jax.ops.segment_sum(
    is_candidate.astype(jnp.int32), start_of, length
  )

  draw = jnp.where(is_start, jax.random.uniform(key, (length,)), jnp.inf)
  in_random_order = jnp.argsort(draw)
  num_wanted = jnp.ceil(word_fraction * is_start.sum())
  # Starts come first in this order: `place` counts the words drawn so far.
  is_wanted = place < num_wanted

  def take(num_taken, word):
    is_wanted, num_pieces = word
    fits = is_wanted & (num_taken + num_pieces <= max_predictions)
    return num_taken + jnp.where(fits, num_pieces, 0), fits

  _, is_taken = jax.lax.scan(
    take, 0, (is_wanted, num_pieces[in_random_order]), unroll=8
  )
  taken_starts = jnp.zeros(length, bool).at[in_random_order].set(is_taken)
  return taken_starts[start_of] & is_candidate


def corrupt(
  key: jax.Array,
  tokens: jax.Array,
  is_chosen: jax.Array,
  vocabulary: Vocabulary,
) -> jax.Array:
  """BERT's corruption: 80 % [MASK], 10 % a random token, 10 % unchanged.

  Args:
    key: A key.
    tokens: [L] int32.
    is_chosen: [L] bool.
    vocabulary: Of the tokens.

  Returns:
    [L] int32.
  """
  how_key, token_key = jax.random.split(key)
  how = jax.random.uniform(how_key, tokens.shape)
  drawn = jax.random.randint(
    token_key,
    tokens.shape,
    vocabulary.num_special,
    vocabulary.size - len(vocabulary.other_special),
  )
  for special in vocabulary.other_special:  # All others are equally likely.
    drawn += drawn >= special
  replaced = jnp.where(how < 0.9, drawn, tokens)
  replaced = jnp.where(how < 0.8, vocabulary.mask_id, replaced)
  return jnp.where(is_chosen, replaced, tokens)
