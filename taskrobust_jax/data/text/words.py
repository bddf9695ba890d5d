"""Where the words of a text are, for every tagger that has to split it."""

from collections.abc import Iterator
import re

import numpy as np

# Every alternative that may fail late is bounded: else a million characters
# without a space take hours.
_WORD = re.compile(
  r"""
    (?P<link>https?://\S{0,2000}[\w/]|www\.\S{0,2000}\w
      |[\w.+-]{1,64}@[\w-]{1,255}\.[\w.-]{0,255}\w)
  | (?P<number>\d+(?:[.,:]\d+)+)
  | (?P<short>(?:[A-Za-z]\.){2,}|(?:Mr|Mrs|Ms|Dr|St|Prof|vs|etc|cf)\.)
  | (?P<stem>[^\W\d_]{1,32}(?=n['’]t\b))
  | (?P<clitic>n['’]t\b|['’](?:s|re|ve|ll|d|m)\b)
  | (?P<word>\w+)
  | (?P<marks>(?P<mark>[^\w\s])(?P=mark)*)
  | (?P<line>\n)
  """,
  re.VERBOSE | re.IGNORECASE,
)
_ENDS = frozenset(".!?")
_CLOSERS = frozenset("\"'”’)]")


def split(characters: str) -> Iterator[list[tuple[int, int]]]:
  """Yields the word spans of one sentence after another.

  Every character that is no space belongs to one word.

  Where a sentence ends is guessed. Taggers by grammar hardly mind: they look a
  sentence's first word up in lower case too.
  """
  sentence, is_over = [], False
  for match in _WORD.finditer(characters):
    first = characters[match.start()]
    is_new_line = match.lastgroup == "line"
    if is_new_line or (is_over and first not in _CLOSERS):
      if sentence:
        yield sentence
      sentence, is_over = [], False
    if not is_new_line:
      sentence.append(match.span())
      is_over = is_over or first in _ENDS
  if sentence:
    yield sentence


def spans(characters: str) -> list[tuple[int, int]]:
  """The word spans of all sentences."""
  return [span for sentence in split(characters) for span in sentence]


def covering(spans: np.ndarray, characters: np.ndarray) -> np.ndarray:
  """Says which word covers each of some characters.

  Args:
    spans: character spans of the words, int32 [words, 2], ascending; there may
      be none.
    characters: indices of characters, int [n].

  Returns:
    int64 [n], the index of the covering word, -1 where there is none.
  """
  words = np.searchsorted(spans[:, 0], characters, side="right") - 1
  # Before the first word `words` is -1, and so is the end of none.
  is_covered = characters < np.append(spans[:, 1], -1)[words]
  return np.where(is_covered, words, -1)
