"""Denoisers as tasks: short spans, the end of a text, much of a text.

After UL2's R, S and X, for an encoder: what is hidden becomes [MASK], piece for
piece, and all of it is predicted at once. Sizes are in words, since whole words
are hidden.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax.tasks.corruption import Vocabulary
from taskrobust_jax.tasks.hiding import Hidden


class Denoiser(NamedTuple):
  """One kind of hiding.

  Attributes:
    share: In (0, 1), of a row's words that are hidden, on average.
    span: Words in a span, >= 1; 0 hides the end of each text in one span.
  """

  share: float
  span: int


# Our sizes: UL2 has 3 to 8, 25 % and 3 to 64 at 15 or 50 %, in longer texts.
R_S_X = {
  "regular": Denoiser(0.15, 3),
  "sequential": Denoiser(0.25, 0),
  "extreme": Denoiser(0.5, 8),
}


class Denoisers(NamedTuple):
  """Task k hides as its denoiser does.

  A span starts at a word with probability 1 - (1 - share)^(1 / span), so that a
  word stays with probability 1 - share; spans that meet run together and end
  with their text. A row hides one word at least.

  Attributes:
    vocabulary: Of the tokens.
    max_predictions: M, the most pieces hidden in a row; words beyond are left.

  References:
    Tay et al., UL2: Unifying Language Learning Paradigms (2022), section 3.1.
  """

  vocabulary: Vocabulary
  max_predictions: int

  @property
  def splits_rows(self) -> bool:
    return False  # A piece may be hidden by several denoisers.

  @property
  def task_names(self) -> tuple[str, ...]:
    return tuple(R_S_X)

  def __call__(
    self, task: jax.Array, row: dict[str, jax.Array], key: jax.Array
  ) -> Hidden:
    kinds = R_S_X.values()
    share = jnp.array([kind.share for kind in kinds])[task]
    span = jnp.array([kind.span for kind in kinds])[task]
    is_word = row["tags"] > 0
    is_start = (row["word_starts"] > 0) & is_word
    is_chosen = is_word & jnp.where(
      span > 0,
      _in_spans(key, row["segment_ids"], is_start, share, span),
      _at_the_end(row["segment_ids"], is_start, share),
    )
    is_chosen = _whole_words(is_chosen, is_start, self.max_predictions)
    inputs = jnp.where(is_chosen, self.vocabulary.mask_id, row["tokens"])
    return Hidden(inputs, is_chosen, jnp.full_like(row["tokens"], task))


def _in_spans(key, segments, is_start, share, span):
  """[L] bool, pieces in spans that start at random."""
  draw = jnp.where(is_start, jax.random.uniform(key, segments.shape), jnp.inf)
  begins = draw < 1 - (1 - share) ** (1 / jnp.maximum(span, 1))
  begins |= is_start & (draw == draw.min())
  place = jnp.arange(len(segments))
  begin = jax.lax.cummax(jnp.where(begins, place, -1))  # Of the last span.
  number = jnp.cumsum(is_start)
  is_near = number - number[begin] < span
  return (begin >= 0) & is_near & (segments == segments[begin])


def _at_the_end(segments, is_start, share):
  """[L] bool, pieces of the last words of each text."""
  total = jax.ops.segment_sum(
    is_start.astype(jnp.int32), segments, len(segments)
  )
  before = jnp.cumsum(total) - total  # Words of the texts before.
  number = jnp.cumsum(is_start) - before[segments]  # 1, 2, ... in each text.
  num_hidden = jnp.ceil(share * total)[segments]
  return number > total[segments] - num_hidden


def _whole_words(is_chosen, is_start, max_pieces):
  """Leaves out words that end beyond the first `max_pieces` chosen pieces."""
  word = jnp.cumsum(is_start)
  last = jax.ops.segment_max(jnp.cumsum(is_chosen), word, len(word) + 1)
  return is_chosen & (last[word] <= max_pieces)


def most_predictions(row_length: int) -> int:
  """M for rows of L pieces: the largest share, and what chance adds to it."""
  share = max(kind.share for kind in R_S_X.values())
  return int(np.ceil(row_length * min(1.0, 1.2 * share)))
