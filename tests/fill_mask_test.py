"""Words in the place of a mask, task by task."""

import types

import numpy as np
import pytest

from taskrobust_jax import fill_mask
from taskrobust_jax.data.tagging import part_of_speech
from taskrobust_jax.errors import InputError
from taskrobust_jax.train.loaded import load
from tests import programs

TEXT = "the dog [MASK] over a [MASK] hill"


@pytest.fixture(scope="module")
def whole():
  return programs.finished()


@pytest.fixture(scope="module")
def loaded(whole):
  return load(whole.run)


def fill(loaded, masked=TEXT, num_tried=1_000):
  tagger = part_of_speech.Pattern()
  groups = fill_mask.groups_of(loaded)
  return fill_mask.fill(loaded, masked, groups, tagger, num_tried)


def test_every_whole_word_is_guessed_once_the_likeliest_first(loaded):
  masks = fill(loaded)
  assert len(masks) == 2
  pieces = loaded.tokenizer.get_vocab()
  expected = {x for x in pieces if x[0] != "[" and not x.startswith("##")}
  for guesses in masks:
    assert sorted(guess.word for guess in guesses) == sorted(expected)
    probabilities = [guess.probability for guess in guesses]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1 + 1e-5


def test_probabilities_are_those_of_the_model(loaded):
  ids = loaded.tokenizer.get_vocab()
  pieces = loaded.tokenizer.encode(TEXT, add_special_tokens=False).ids
  tokens = np.array([[ids["[CLS]"], *pieces, ids["[SEP]"]]], np.int32)
  segments, positions = np.ones_like(tokens), np.arange(tokens.size)[None]
  places = np.flatnonzero(tokens[0] == ids["[MASK]"])[None]
  logits = loaded.model.apply(
    loaded.params, tokens, segments, positions, places
  )
  for guesses, row in zip(fill(loaded), np.asarray(logits[0]), strict=True):
    expected = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
    for guess in guesses:
      np.testing.assert_allclose(
        guess.probability, expected[ids[guess.word]], rtol=1e-4
      )


def test_a_guess_is_tagged_where_it_stands(loaded):
  first, second = (
    {guess.word: guess.task for guess in guesses} for guesses in fill(loaded)
  )
  assert first["and"] == second["the"] == "function_words"
  assert first["ran"] == "verbs"
  assert second["old"] == "modifiers"
  assert second["home"] == "nouns"


def test_only_the_likeliest_are_tried(loaded):
  everything = fill(loaded)[0]
  for count in (1, 20):
    assert fill(loaded, num_tried=count)[0] == everything[:count]


CASES = [
  ({"text": "no mask at all"}, "must hold [MASK], got 'no mask at all'"),
  ({"text": "[MASK] " * 99}, "the text has 99 pieces; the model takes up to"),
  ({"text": None}, "one text is needed, in quotes, got 0"),
  ({"workdir": "/none"}, "/none is no folder of a run"),
  ({"tagger_path": "/none.json"}, "/none.json is no file"),
]


def test_a_table_and_what_it_refuses(whole):
  flags = {"text": TEXT, "workdir": whole.run}
  calls = [
    [
      f"--{k}={v}" if k != "text" else v
      for k, v in {**flags, **changes}.items()
      if v is not None
    ]
    for changes in ({}, *(changes for changes, _ in CASES))
  ]
  (code, out, err), *refused = programs.run_each(
    "fill_mask", ["workdir"], calls, runner="run_with_words"
  )
  assert code == 0, err
  title, *tables = out.strip().split("\n\n")
  assert title == TEXT
  assert len(tables) == 2
  for table in tables:
    names = [line.split()[0] for line in table.splitlines()]
    assert names == [*sorted(part_of_speech.GROUPS), "other"]
  for (_, expected), (code, out, err) in zip(CASES, refused, strict=True):
    assert (code, out) == (2, ""), expected
    assert expected in err
    assert err.count("\n") == 1


def test_a_model_of_pictures_has_no_words(loaded):
  model = loaded.model._replace(kind="mae")
  with pytest.raises(InputError, match="kind 'mae'; words are filled in by a"):
    fill(loaded._replace(model=model))


def test_tasks_that_are_no_parts_of_speech_give_way_to_ours():
  def of(groups):
    info = {"config": {"tasks": {"groups": groups}}}
    return fill_mask.groups_of(types.SimpleNamespace(info=info))

  own = {"names": ["PROPN"], "things": ["NOUN"]}
  assert of(own) == own
  for groups in ({}, {"all": ["NOUN"]}, {"a": ["NOUN"], "b": ["Q1"]}):
    assert of(groups) == part_of_speech.GROUPS
