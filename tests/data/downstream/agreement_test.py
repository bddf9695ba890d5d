"""Every second sentence has one verb in the other number."""

import pytest

from taskrobust_jax.data.downstream import agreement
from taskrobust_jax.data.downstream.tagged import Tagged
from taskrobust_jax.errors import InputError


def tagged(*sentences):
  words = tuple(tuple(sentence.split()) for sentence in sentences)
  return Tagged("made", words, tuple((0,) * len(x) for x in words))


def test_every_second_sentence_with_a_verb_has_one_swapped():
  split = tagged(
    "the dogs are here", "no verb of ours", "he has it", "they do , she does"
  )
  rows = agreement.of_sentences(split)
  assert rows.labels.tolist() == [0, 1, 0]
  assert rows.first[:2] == ("the dogs is here", "he has it")
  assert rows.first[2] in ("they does , she does", "they do , she do")
  assert agreement.of_sentences(split).first == rows.first


def test_a_split_without_such_verbs_is_named():
  with pytest.raises(InputError, match="made: no sentence has one of is, "):
    agreement.of_sentences(tagged("no verb of ours"))
