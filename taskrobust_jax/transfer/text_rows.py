"""Labelled texts and tagged sentences as rows of tokens.

tokens        [n, L] int32, [CLS] a [SEP] or [CLS] a [SEP] b [SEP], padded
token_types   [n, L] int32, 1 for b and its [SEP]
lengths       [n] int32, tokens without the padding
label         [n] int32 or f32, or [n, L] int32 with `IGNORED` where no word
              begins
"""

from collections.abc import Sequence
import itertools
from typing import Any

import numpy as np

from taskrobust_jax.data.downstream.labelled import Labelled
from taskrobust_jax.data.downstream.tagged import Tagged
from taskrobust_jax.data.text import vocabulary
from taskrobust_jax.transfer.objectives import IGNORED
from taskrobust_jax.transfer.task import ArrayRows

_UNIT = 16  # L is a multiple of it, or the longest that is legal.


def of_texts(
  splits: Sequence[Labelled], tokenizer: Any, max_length: int
) -> list[ArrayRows]:
  """Rows of several splits, of one length.

  What is too long is cut at the end, a piece at a time from the longer of two
  texts.

  Args:
    splits: The splits.
    tokenizer: A `tokenizers.Tokenizer`.
    max_length: L at most.
  """
  ids = vocabulary.special_token_ids(tokenizer, "the tokenizer")
  encoded = [
    _encode_pairs(split, tokenizer, ids, max_length) for split in splits
  ]
  length = _row_length(itertools.chain(*encoded), max_length)
  return [
    ArrayRows({**_padded(rows, ids["[PAD]"], length), "label": split.labels})
    for rows, split in zip(encoded, splits, strict=True)
  ]


def of_sentences(
  splits: Sequence[Tagged], tokenizer: Any, max_length: int
) -> list[ArrayRows]:
  """Rows of sentences whose words are labelled at their first piece.

  A sentence that is too long becomes several rows, so that every word has its
  label; of a word with more pieces than a row has the last ones are cut.

  Args:
    splits: The splits.
    tokenizer: A `tokenizers.Tokenizer`.
    max_length: L at most.
  """
  ids = vocabulary.special_token_ids(tokenizer, "the tokenizer")
  encoded = []
  for split in splits:
    pieces = _pieces_of_words(split, tokenizer, ids["[UNK]"])
    encoded.append(
      [
        row
        for words, tags in zip(pieces, split.tags, strict=True)
        for row in _rows_of_sentence(words, tags, ids, max_length)
      ]
    )
  length = _row_length(
    (row for row, _ in itertools.chain(*encoded)), max_length
  )
  made = []
  for rows in encoded:
    labels = np.full((len(rows), length), IGNORED, np.int32)
    for i, (_, places) in enumerate(rows):
      for place, tag in places:
        labels[i, place] = tag
    tokens = [row for row, _ in rows]
    made.append(
      ArrayRows({**_padded(tokens, ids["[PAD]"], length), "label": labels})
    )
  return made


# Tokens and token types of a row.
_Row = tuple[list[int], list[int]]


def _encode(tokenizer, texts: Sequence[str]) -> list[list[int]]:
  """The pieces of texts, no special token among them: "[SEP]" is text too."""
  before = tokenizer.encode_special_tokens
  tokenizer.encode_special_tokens = True
  try:
    found = tokenizer.encode_batch(list(texts), add_special_tokens=False)
  finally:
    tokenizer.encode_special_tokens = before
  return [encoding.ids for encoding in found]


def _encode_pairs(split, tokenizer, ids, max_length) -> list[_Row]:
  first = _encode(tokenizer, split.first)
  if split.second is None:
    return [_joined(ids, pieces[: max_length - 2]) for pieces in first]
  rows = []
  second = _encode(tokenizer, split.second)
  for one, other in zip(first, second, strict=True):
    while len(one) + len(other) > max_length - 3:
      (one if len(one) > len(other) else other).pop()
    rows.append(_joined(ids, one, other))
  return rows


def _joined(ids, first, second=None) -> _Row:
  tokens = [ids["[CLS]"], *first, ids["[SEP]"]]
  types = [0] * len(tokens)
  if second is not None:
    tokens += [*second, ids["[SEP]"]]
    types += [1] * (len(tokens) - len(types))
  return tokens, types


def _pieces_of_words(split, tokenizer, unknown) -> list[list[list[int]]]:
  """The pieces of every word of every sentence; each has one at least."""
  known = {}
  words = sorted(set(itertools.chain(*split.words)))
  for word, pieces in zip(words, _encode(tokenizer, words), strict=True):
    known[word] = pieces or [unknown]
  return [[known[word] for word in sentence] for sentence in split.words]


def _rows_of_sentence(words, tags, ids, max_length):
  """Yields (row, [(place, tag)])."""
  pieces, places = [], []
  for word, tag in zip(words, tags, strict=True):
    word = word[: max_length - 2]
    if len(pieces) + len(word) > max_length - 2:
      yield _joined(ids, pieces), places
      pieces, places = [], []
    places.append((len(pieces) + 1, tag))  # After [CLS].
    pieces += word
  yield _joined(ids, pieces), places


def _row_length(rows, max_length) -> int:
  longest = max(len(tokens) for tokens, _ in rows)
  return min(-(-longest // _UNIT) * _UNIT, max_length)


def _padded(rows, padding, length) -> dict[str, np.ndarray]:
  tokens = np.full((len(rows), length), padding, np.int32)
  types = np.zeros((len(rows), length), np.int32)
  for i, (row, row_types) in enumerate(rows):
    tokens[i, : len(row)], types[i, : len(row)] = row, row_types
  lengths = np.array([len(row) for row, _ in rows], np.int32)
  return {"tokens": tokens, "token_types": types, "lengths": lengths}
