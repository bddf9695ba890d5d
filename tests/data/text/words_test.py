"""Every character has its word, and no text takes hours."""

import time

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from taskrobust_jax.data.text import words


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_every_character_but_space_belongs_to_one_word(characters):
  spans = [span for sentence in words.split(characters) for span in sentence]
  covered = [i for a, b in spans for i in range(a, b)]
  assert covered == [i for i, c in enumerate(characters) if not c.isspace()]


def test_sentences_end_at_marks_and_lines():
  sentences = words.split("He ran. (Did he?) Yes\nGone.")
  assert [len(sentence) for sentence in sentences] == [3, 5, 1, 2]


@pytest.mark.parametrize(
  "pattern", ["a", "a.", "a-", ".-", "(", "1", "1.", "a@", "www.(", "n'"]
)
def test_characters_without_a_space_take_time_in_proportion(pattern):
  # By a quadratic search these would take minutes.
  size = 1_000_000 if len(pattern) == 1 else 100_000
  characters = (pattern * size)[:size]
  begin = time.process_time()
  spans = [span for sentence in words.split(characters) for span in sentence]
  assert time.process_time() - begin < 10
  assert sum(b - a for a, b in spans) == size


def test_covering():
  spans = np.array([[0, 2], [4, 6]])
  found = words.covering(spans, np.arange(7))
  assert found.tolist() == [0, 0, -1, -1, 1, 1, -1]
