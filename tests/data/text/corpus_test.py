"""Documents once each, in two splits, in blocks that come back."""

import json
import os

import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.text import corpus, sources

LONG = (
  "A passage of more than a hundred characters, which is enough to be a copy."
)
LONG = f"{LONG} {LONG}"


@pytest.fixture
def small_blocks(monkeypatch):
  monkeypatch.setattr(corpus, "BLOCK_CHARACTERS", 300)


def documents_of(monkeypatch, by_path):
  """Makes `sources.read` yield these texts."""
  monkeypatch.setattr(sources, "find_files", lambda *_: [])
  monkeypatch.setattr(
    sources,
    "read",
    lambda source, path, feature: (
      sources.Document(characters, f"{path}:{i}")
      for i, characters in enumerate(by_path[path])
    ),
  )


def read_all(folder, staged):
  return {
    split: [
      document.text
      for i in range(len(sizes))
      for document in corpus.read_block(str(folder), split, i)
    ]
    for split, sizes in staged.characters.items()
  }


def test_documents_come_back_from_their_blocks(tmp_path, monkeypatch):
  monkeypatch.setattr(corpus, "BLOCK_CHARACTERS", 8)
  words = ("1", "dé\u2028", "x\nyy", "\ud800", "zzzzzzzzzz", "b")
  documents_of(monkeypatch, {"a": words, "b": ["held out"]})
  staged = corpus.Corpus("s", "a", "b", 0.5, "text").stage(str(tmp_path))
  assert read_all(tmp_path, staged) == {
    "train": list(words),
    "eval": ["held out"],
  }
  assert staged.characters == {"train": [8, 11, 1], "eval": [8]}
  assert staged.documents == {"train": 6, "eval": 1}
  # A second call reads nothing again.
  documents_of(monkeypatch, {})
  again = corpus.Corpus("s", "a", "b", 0.5, "text").stage(str(tmp_path))
  assert again == staged


def test_gold_words_come_back(tmp_path):
  file = tmp_path / "a.conllu"
  line = "1\t{}\tx\tADJ\tX\tX\tX\tX\tX\t_\n\n"
  file.write_text(line.format("one") + line.format("two"))
  found = corpus.Corpus("conllu", str(file), "", 0.5, "text")
  staged = found.stage(str(tmp_path))
  (document,) = corpus.read_block(str(tmp_path), "eval", 0)
  assert document == sources.Document("two", f"{file}:3", ((0, 3),), ("ADJ",))
  assert staged.documents == {"train": 1, "eval": 1}


def test_every_nth_of_those_that_are_left_is_held_out(tmp_path, monkeypatch):
  texts = ["0", " \n", "1", LONG, LONG, "2", "", "3", "3", LONG + "!"]
  documents_of(monkeypatch, {"a": texts})
  staged = corpus.Corpus("s", "a", "", 0.25, "text").stage(str(tmp_path))
  assert (staged.empty, staged.copies) == (2, 1)
  assert read_all(tmp_path, staged) == {
    "train": ["0", "1", LONG, "3", "3", LONG + "!"],
    "eval": ["2"],
  }


def test_what_is_trained_on_is_not_held_out(tmp_path, monkeypatch):
  documents_of(monkeypatch, {"a": [LONG], "b": [LONG, "other"]})
  staged = corpus.Corpus("s", "a", "b", 0.5, "text").stage(str(tmp_path))
  assert staged.copies == 1
  assert read_all(tmp_path, staged) == {"train": [LONG], "eval": ["other"]}


def test_a_split_of_copies_alone_names_itself(tmp_path, monkeypatch):
  documents_of(monkeypatch, {"a": [LONG], "b": [LONG]})
  with pytest.raises(errors.InputError, match="corpus is empty.*'b'.*copies"):
    corpus.Corpus("s", "a", "b", 0.5, "text").stage(str(tmp_path))
  assert "staged.json" not in os.listdir(tmp_path)


def test_staging_that_was_stopped_begins_again(
  tmp_path, monkeypatch, small_blocks
):
  def stopped():
    yield from (LONG + str(i) for i in range(8))
    raise KeyboardInterrupt

  documents_of(monkeypatch, {"a": stopped(), "b": ["x"]})
  with pytest.raises(KeyboardInterrupt):
    corpus.Corpus("s", "a", "b", 0.5, "text").stage(str(tmp_path))
  documents_of(monkeypatch, {"a": ["short"], "b": ["x"]})
  staged = corpus.Corpus("s", "a", "b", 0.5, "text").stage(str(tmp_path))
  assert read_all(tmp_path, staged) == {"train": ["short"], "eval": ["x"]}
  assert json.loads((tmp_path / "staged.json").read_text())["copies"] == 0
