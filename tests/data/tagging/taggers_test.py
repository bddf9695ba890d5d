"""A tagger by name; what a new one has to do is what `tagger.py` says."""

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import tagger, taggers
from taskrobust_jax.data.text import preparation, records, words


class Lengths(tagger.Tagger):
  """Long and short words, as told apart by the training documents."""

  tag_names = (tagger.NO_TAG, "short", "long")
  groups = {"short": ("short",), "long": ("long",)}

  def fit(self, read_documents):
    sizes = [
      b - a
      for _ in range(2)
      for document in read_documents()
      for sentence in words.split(document.text)
      for a, b in sentence
    ]
    return {"limit": float(np.median(sizes))}

  def load(self, state):
    self._limit = state["limit"]

  def tag(self, document):
    spans = [span for s in words.split(document.text) for span in s]
    return tagger.arrays(spans, [1 + (b - a > self._limit) for a, b in spans])


def test_a_tagger_that_is_fitted_makes_a_dataset(tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(taggers.TAGGERS, "lengths", Lengths)
  lines = [f"a bc defg hijkl {i}\n\n" * 90 for i in range(9)]
  (tmp_path / "a.txt").write_text("".join(lines))
  info = preparation.prepare(
    str(tmp_path / "data"),
    source="text_files",
    train_path=str(tmp_path / "a.txt"),
    eval_path="",
    tagger="lengths",
    vocabulary_size=80,
    row_length=16,
    eval_share=0.5,
  )
  assert info.tag_names == ("_", "short", "long")
  counts = info.tag_counts["train"]
  assert counts["short"] * 2 == counts["long"] * 3 > 0
  assert "_" not in counts
  printed = capsys.readouterr().out
  assert "short   " in printed
  assert "other" not in printed
  dataset = records.open_dataset(str(tmp_path / "data"))
  tags = dataset.split("train").read([0])["tags"]
  assert set(tags.ravel().tolist()) == {0, 1, 2}
  assert dataset.verify() == info.digest


def test_names_are_checked():
  assert isinstance(taggers.make("pattern"), tagger.Tagger)
  with pytest.raises(errors.InputError, match="'silver' is not one of percep"):
    taggers.make("silver")
  with pytest.raises(errors.InputError, match="did you mean 'perceptron'"):
    taggers.make("percepton")
  with pytest.raises(errors.InputError, match="tagger_path: 'x.json', but"):
    taggers.make("pattern", "x.json")
