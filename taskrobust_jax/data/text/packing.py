"""Rows of one length out of documents of any length."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.text import vocabulary, wordpiece

# What a row holds, each int32 [L], in the order of the dataset's digest.
FEATURES = ("tokens", "segment_ids", "positions", "word_starts", "tags")
MIN_ROW_LENGTH = 8

_MAX_ROW_LENGTH = 65_536
_SPECIALS = 2  # [CLS] before a part, [SEP] after it.


def pack(
  documents: Iterable[wordpiece.Pieces],
  row_length: int,
  *,
  special_token_ids: Mapping[str, int] = vocabulary.SPECIAL_TOKEN_IDS,
  open_rows: int = 64,
) -> Iterator[dict[str, np.ndarray]]:
  """Packs documents into rows, several a row, each as [CLS] pieces [SEP].

  A document of more than row_length - 2 pieces is cut into parts, between two
  words unless a word is longer than a row; a part of a cut word starts a word
  of its own. Each part goes into the first of the open rows that has room for
  it. Where none has, a new row is opened, and with `open_rows` of them the
  fullest is given out: so memory is flat and the order a function of the input.

  Args:
    documents: pieces of documents; empty ones are skipped.
    row_length: L, 8 to 65,536.
    special_token_ids: the ids of [PAD], [CLS] and [SEP].
    open_rows: rows that wait for a part that fits, at least 1.

  Yields:
    Rows, each a dict of int32 [L]: `tokens`; `segment_ids` (1, 2, ... for the
    parts in the row, 0 is padding); `positions` (0, 1, ... in every part);
    `word_starts` (1 on a word's first piece; 0 on special tokens and padding);
    `tags` (ids of the tagger's tags; 0 on special tokens and padding).

  Raises:
    InputError: row_length or open_rows out of range.

  >>> pieces = wordpiece.Pieces(
  ...   tokens=np.array([7, 8, 9]),
  ...   word_starts=np.array([True, False, True]),
  ...   tags=np.array([16, 16, 8]),
  ... )
  >>> (row,) = pack([pieces], row_length=8)
  >>> row["tokens"].tolist(), row["word_starts"].tolist()
  ([2, 7, 8, 9, 3, 0, 0, 0], [0, 1, 0, 1, 0, 0, 0, 0])
  """
  check_row_length(row_length)
  if open_rows < 1:
    raise errors.InputError(f"open_rows: {open_rows} is below 1")
  return _pack(documents, row_length, special_token_ids, open_rows)


def is_row_length(row_length: int) -> bool:
  """Whether rows can have this length."""
  return MIN_ROW_LENGTH <= row_length <= _MAX_ROW_LENGTH


def check_row_length(row_length: int) -> None:
  """Raises InputError unless rows can have this length."""
  if not is_row_length(row_length):
    raise errors.InputError(
      f"row_length: {row_length} is not between {MIN_ROW_LENGTH} and "
      f"{_MAX_ROW_LENGTH}"
    )


def _pack(documents, row_length, special_token_ids, open_rows):
  rows = []
  for pieces in documents:
    for start, end in _parts(pieces.word_starts, row_length - _SPECIALS):
      size = end - start + _SPECIALS
      row = next((row for row in rows if row.size + size <= row_length), None)
      if row is None:
        if len(rows) == open_rows:
          fullest = max(range(open_rows), key=lambda i: rows[i].size)
          yield rows.pop(fullest).arrays
        rows.append(row := _Row(row_length, special_token_ids))
      row.add(pieces, start, end)
      if row.size + _SPECIALS >= row_length:  # No room for a piece.
        rows.remove(row)
        yield row.arrays
  for row in rows:
    yield row.arrays


def _parts(word_starts: np.ndarray, limit: int) -> Iterator[tuple[int, int]]:
  """Yields the (start, end) of parts of at most `limit` pieces."""
  start, size = 0, len(word_starts)
  while start < size:
    end = min(start + limit, size)
    if end < size:
      # The last place of (start, end] where a word starts.
      starts = np.flatnonzero(word_starts[start + 1 : end + 1])
      end = start + 1 + int(starts[-1]) if len(starts) else end
    yield start, end
    start = end


class _Row:
  """A row that is being filled; compared by identity."""

  def __init__(self, row_length: int, special_token_ids: Mapping[str, int]):
    self._ids = special_token_ids
    self.arrays = {name: np.zeros(row_length, np.int32) for name in FEATURES}
    self.arrays["tokens"][:] = self._ids["[PAD]"]
    self.size = self.parts = 0

  def add(self, pieces: wordpiece.Pieces, start: int, end: int) -> None:
    """Appends [CLS] pieces[start:end] [SEP]."""
    first = self.size
    last = first + 1 + end - start
    inner = slice(first + 1, last)
    whole = slice(first, last + 1)
    self.size, self.parts = last + 1, self.parts + 1
    self.arrays["tokens"][first] = self._ids["[CLS]"]
    self.arrays["tokens"][inner] = pieces.tokens[start:end]
    self.arrays["tokens"][last] = self._ids["[SEP]"]
    self.arrays["segment_ids"][whole] = self.parts
    self.arrays["positions"][whole] = np.arange(last + 1 - first)
    self.arrays["word_starts"][inner] = pieces.word_starts[start:end]
    self.arrays["word_starts"][first + 1] = 1
    self.arrays["tags"][inner] = pieces.tags[start:end]
