"""The perceptron tags as NLTK's does, and says where it looked for weights."""

import json
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import part_of_speech, perceptron
from taskrobust_jax.data.text import sources

SENTENCES = (
  "The dog 's 12 old-fashioned friends did n't run in 1999 ; -x Run !".split(),
  "Run".split(),
  [],
  "They run , and the old dog ran .".split(),
)


def made_weights(tags, seed=0):
  """Weights for all the features of `SENTENCES`, with equal sums among them."""
  from nltk.tag.perceptron import PerceptronTagger

  tagger, rng = PerceptronTagger(load=False), np.random.default_rng(seed)
  weights = {}
  for sentence in SENTENCES:
    context = tagger.START + list(map(tagger.normalize, sentence)) + tagger.END
    for i, word in enumerate(sentence):
      for before in (*tags, "-START-"):
        for far in (*tags, "-START-", "-START2-"):
          names = tagger._get_features(i, word, context, before, far)
          for name in names:
            row = rng.integers(-2, 3, len(tags)) / 8
            weights[name] = {t: float(w) for t, w in zip(tags, row) if w}
  return weights


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tags", [["NOUN", "VERB", "X"], ["NN", "VBZ", ","]])
def test_tags_are_those_of_nltk(tags, seed):
  from nltk.tag.perceptron import PerceptronTagger

  weights, tagdict = made_weights(tags, seed), {"the": tags[0], "n't": tags[1]}
  theirs = PerceptronTagger(load=False)
  theirs.model.weights, theirs.tagdict = weights, tagdict
  theirs.classes = theirs.model.classes = set(tags)
  expected = [tag for s in SENTENCES for _, tag in theirs.tag(s)]
  assert len(set(expected)) == 3
  model = perceptron.Model(weights, tagdict, tags)
  assert model.tag(SENTENCES) == expected
  # Words that are kept and a table that is full change nothing.
  assert model.tag(SENTENCES) == expected
  for word in map(str, range(300)):
    model.tag([[f"w{word}"]])
  assert model.tag(SENTENCES) == expected
  assert model.tag([]) == []


def write_own(file, tags=("NOUN", "VERB")):
  data = {
    "classes": list(tags),
    "tagdict": {"dog": tags[0]},
    "weights": {"i suffix ran": {tags[1]: 1.5}, "bias": {tags[0]: 0.5}},
  }
  file.write_text(json.dumps(data))
  return data


def test_universal_tags_come_from_our_own_file(tmp_path):
  write_own(tmp_path / "t.json")
  tagger = perceptron.Perceptron(str(tmp_path / "t.json"))
  assert tagger.files == (str(tmp_path / "t.json"),)
  spans, tags = tagger.tag(sources.Document("dog ran\nhome", "x"))
  assert spans.tolist() == [[0, 3], [4, 7], [8, 12]]
  assert [tagger.tag_names[i] for i in tags] == ["NOUN", "VERB", "NOUN"]
  assert spans.dtype == tags.dtype == np.int32
  assert tagger.tag(sources.Document(" ", "x"))[0].shape == (0, 2)


@pytest.mark.parametrize("as_zip", [False, True])
def test_penn_tags_of_nltks_data_become_universal(
  tmp_path, monkeypatch, as_zip
):
  data = write_own(tmp_path / "t.json", ("NN", "VBD"))
  name = perceptron.NAME
  folder = tmp_path / "nltk_data/taggers" / name
  folder.mkdir(parents=True)
  for part, value in data.items():
    (folder / f"{name}.{part}.json").write_text(json.dumps(value))
  if as_zip:
    with zipfile.ZipFile(f"{folder}.zip", "w") as archive:
      for file in folder.iterdir():
        archive.write(file, f"{name}/{file.name}")
        file.unlink()
  monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk_data"))
  tagger = perceptron.Perceptron()
  assert len(tagger.files) == (1 if as_zip else 3)
  _, tags = tagger.tag(sources.Document("dog ran 7 ; is", "x"))
  assert [part_of_speech.TAG_NAMES[i] for i in tags] == [
    *("NOUN", "VERB", "NUM", "PUNCT", "NOUN")
  ]


def test_a_damaged_download_of_nltks_is_named(tmp_path, monkeypatch):
  folder = tmp_path / "nltk_data/taggers"
  folder.mkdir(parents=True)
  (folder / f"{perceptron.NAME}.zip").write_bytes(b"PK")
  monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk_data"))
  tagger = perceptron.Perceptron()
  with pytest.raises(
    errors.InputError, match=r"zip is not NLTK's .*download it again"
  ):
    tagger.load({})


def test_without_weights_both_remedies_are_named_within_a_second(
  tmp_path, monkeypatch
):
  monkeypatch.setenv("NLTK_DATA", str(tmp_path / "mine"))
  monkeypatch.setenv("HOME", str(tmp_path))
  begin = time.process_time()
  with pytest.raises(errors.InputError) as caught:
    perceptron.Perceptron()
  assert time.process_time() - begin < 1
  message = str(caught.value)
  for part in (
    f"{tmp_path}/mine, {tmp_path}/nltk_data, {sys.prefix}/nltk_data",
    "/usr/share/nltk_data",
    f"nltk.downloader {perceptron.NAME}",
    "--train_tagger=",
    "--config.data.tagger_path=",
  ):
    assert part in message


def test_folders_are_nltks_own():
  code = "import nltk.data; print('\\n'.join(nltk.data.path))"
  result = subprocess.run(
    [sys.executable, "-W", "ignore", "-c", code],
    env={**os.environ, "NLTK_DATA": ""},
    capture_output=True,
    text=True,
    check=True,
  )
  assert result.stdout.split() == [
    f
    for f in perceptron.nltk_folders()
    if f not in os.environ.get("NLTK_DATA", "")
  ]


@pytest.mark.parametrize(
  "content",
  [
    "",
    "[]",
    "{}",
    '{"classes": [], "tagdict": {}, "weights": {}}',
    '{"classes": ["NOUN"], "tagdict": {"a": "VERB"}, "weights": {}}',
    '{"classes": ["NOON"], "tagdict": {}, "weights": {}}',
    '{"classes": ["NOUN"], "tagdict": {}, "weights": {"a": {"X": 1}}}',
    '{"classes": ["NOUN"], "tagdict": {}, "weights": {"a": {"NOUN": 1e9}}}',
    '{"classes": ["NOUN"], "tagdict": {}, "weights": {"a": {"NOUN": "1"}}}',
    '{"classes": ["NOUN"], "tagdict": [], "weights": {}}',
    '{"classes": [["NOUN"]], "tagdict": {}, "weights": {}}',
  ],
)
def test_a_file_that_is_no_tagger_names_itself(tmp_path, content):
  (tmp_path / "t.json").write_text(content)
  tagger = perceptron.Perceptron(str(tmp_path / "t.json"))
  with pytest.raises(errors.InputError, match=r"tagger_path: .*t\.json "):
    tagger.load({})


def test_an_absent_file_names_itself(tmp_path):
  with pytest.raises(errors.InputError, match="none.json is no file; train"):
    perceptron.Perceptron(str(tmp_path / "none.json"))
