"""Packing loses no piece, adds none, and keeps rows consistent."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.text import packing, vocabulary, wordpiece


@st.composite
def corpora(draw):
  """Documents whose pieces are numbered through, in words of 1 to 20."""
  documents, first = [], 10
  for _ in range(draw(st.integers(0, 12))):
    words = draw(st.lists(st.integers(1, 20), max_size=12))
    size = sum(words)
    starts = np.zeros(size, bool)
    starts[np.cumsum([0, *words])[:-1]] = True
    tags = np.repeat(np.arange(len(words)) % 17 + 1, words)
    tokens = np.arange(first, first + size)
    documents.append(wordpiece.Pieces(tokens, starts, tags))
    first += size
  return documents


def parts_of(row):
  """The (start, end) of the parts in a row, by their segment ids."""
  for segment in range(1, row["segment_ids"].max() + 1):
    (places,) = np.nonzero(row["segment_ids"] == segment)
    assert places.tolist() == list(range(places[0], places[-1] + 1))
    yield places[0], places[-1] + 1


@settings(deadline=None)
@given(corpora(), st.integers(8, 40), st.integers(1, 5))
def test_every_piece_is_there_once_with_its_word(corpus, length, open_rows):
  rows = list(packing.pack(corpus, length, open_rows=open_rows))
  inner = length - 2
  seen = []
  for row in rows:
    assert tuple(row) == packing.FEATURES
    assert {(a.dtype.name, a.shape) for a in row.values()} == {
      ("int32", (length,))
    }
    padding = row["segment_ids"] == 0
    assert all((row[name][padding] == 0).all() for name in packing.FEATURES)
    assert padding.tolist() == sorted(padding.tolist())
    previous = 0
    for start, end in parts_of(row):
      assert start == previous
      previous = end
      assert end - start >= 3
      assert row["tokens"][start] == vocabulary.SPECIAL_TOKEN_IDS["[CLS]"]
      assert row["tokens"][end - 1] == vocabulary.SPECIAL_TOKEN_IDS["[SEP]"]
      assert row["positions"][start:end].tolist() == list(range(end - start))
      for name in ("word_starts", "tags"):
        assert row[name][start] == row[name][end - 1] == 0
      assert row["word_starts"][start + 1] == 1
      seen.append({k: v[start + 1 : end - 1] for k, v in row.items()})
  seen.sort(key=lambda part: part["tokens"][0])

  def joined(name):
    return [x for part in seen for x in part[name].tolist()]

  whole = {
    name: [x for d in corpus for x in getattr(d, name).tolist()]
    for name in ("tokens", "word_starts", "tags")
  }
  assert joined("tokens") == whole["tokens"]
  assert joined("tags") == whole["tags"]
  # A word that is longer than a row is the only one that starts twice.
  begins = [i for i, s in enumerate(whole["word_starts"]) if s]
  sizes = np.diff([*begins, len(whole["tokens"])])
  added = [
    a
    for a, b in zip(joined("word_starts"), whole["word_starts"], strict=True)
    if a != b
  ]
  assert len(added) == sum((size - 1) // inner for size in sizes)


@settings(deadline=None)
@given(corpora(), st.integers(8, 40))
def test_packing_is_a_function_of_its_input(corpus, length):
  first, again = (list(packing.pack(corpus, length)) for _ in range(2))
  assert len(first) == len(again)
  for row, other in zip(first, again, strict=True):
    assert all((row[name] == other[name]).all() for name in row)


def test_short_documents_fill_rows():
  rng = np.random.default_rng(0)
  corpus = []
  for size in rng.integers(1, 60, 2_000):
    ones = np.ones(size, np.int32)
    corpus.append(wordpiece.Pieces(ones, ones > 0, ones))
  rows = list(packing.pack(corpus, 128))
  padding = np.mean([row["segment_ids"] == 0 for row in rows])
  assert padding < 0.02


def test_special_tokens_have_the_ids_of_the_vocabulary():
  ones = np.ones(3, np.int32)
  ids = {"[PAD]": 9, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
  pieces = wordpiece.Pieces(7 * ones, ones > 0, ones)
  (row,) = packing.pack([pieces], 8, special_token_ids=ids)
  assert row["tokens"].tolist() == [101, 7, 7, 7, 102, 9, 9, 9]
  assert row["segment_ids"].tolist() == [1] * 5 + [0] * 3


def test_memory_is_flat():
  taken = 0

  def documents():
    nonlocal taken
    for _ in range(1_000):
      taken += 1
      ones = np.ones(50, np.int32)
      yield wordpiece.Pieces(ones, ones > 0, ones)

  rows = packing.pack(documents(), 64, open_rows=8)
  next(rows)
  assert taken <= 9


@pytest.mark.parametrize("length", [7, 0, -1, 65_537])
def test_bad_row_length_names_itself(length):
  with pytest.raises(errors.InputError, match=f"{length} is not between 8"):
    packing.pack([], length)


def test_bad_open_rows_names_itself():
  with pytest.raises(errors.InputError, match="open_rows: 0 is below 1"):
    packing.pack([], 8, open_rows=0)
