"""Texts and tagged sentences as rows of tokens."""

import numpy as np
import pytest

from taskrobust_jax.data.downstream.labelled import Labelled
from taskrobust_jax.data.downstream.tagged import Tagged
from taskrobust_jax.train import loaded
from taskrobust_jax.transfer import text_rows


@pytest.fixture(scope="module")
def tokenizer(pretrained):
  return loaded.load(pretrained).tokenizer


def shown(tokenizer, rows, i):
  tokens = rows.arrays["tokens"][i][: rows.arrays["lengths"][i]]
  return " ".join(tokenizer.id_to_token(token) for token in tokens)


def labelled(first, second=None):
  return Labelled("made", first, second, np.zeros(len(first), np.int32))


def test_pairs_have_two_token_types(tokenizer):
  split = labelled(("w1 w2", "w3"), ("w4", "w5 w6 w7"))
  (rows,) = text_rows.of_texts([split], tokenizer, 64)
  assert rows.arrays["tokens"].shape == (2, 16)
  assert shown(tokenizer, rows, 0) == "[CLS] w1 w2 [SEP] w4 [SEP]"
  assert rows.arrays["token_types"][0][:7].tolist() == [0, 0, 0, 0, 1, 1, 0]
  assert not rows.arrays["tokens"][0][6:].any()  # [PAD] is 0.


def test_a_text_that_speaks_of_special_tokens_gets_none(tokenizer):
  split = labelled(("w1 [SEP] w2 [MASK]",), ("[CLS] w3",))
  (rows,) = text_rows.of_texts([split], tokenizer, 64)
  tokens = shown(tokenizer, rows, 0).split()
  assert tokens[0] == "[CLS]"
  assert [tokens.count(x) for x in ("[CLS]", "[SEP]", "[MASK]")] == [1, 2, 0]
  tagged = Tagged("made", (("w1", "[SEP]"),), ((7, 8),))
  (rows,) = text_rows.of_sentences([tagged], tokenizer, 16)
  assert shown(tokenizer, rows, 0).count("[SEP]") == 1
  # Who asks the same tokenizer for a mask still gets one.
  assert tokenizer.encode("w1 [MASK]").tokens.count("[MASK]") == 1


def test_long_texts_are_cut_from_the_longer(tokenizer):
  long = " ".join(["w1"] * 30)
  split = labelled((long, "w2", long), ("w3", long, long))
  (rows,) = text_rows.of_texts([split], tokenizer, 16)
  assert rows.arrays["lengths"].tolist() == [16, 16, 16]
  assert shown(tokenizer, rows, 0).endswith("[SEP] w3 [SEP]")
  assert shown(tokenizer, rows, 1).startswith("[CLS] w2 [SEP] w1")
  assert shown(tokenizer, rows, 2).split().index("[SEP]") in (7, 8)
  (single,) = text_rows.of_texts([labelled((long,))], tokenizer, 16)
  assert shown(tokenizer, single, 0).split().count("w1") == 14


def test_splits_share_one_length(tokenizer):
  long = " ".join(["w1"] * 30)
  train, held_out = text_rows.of_texts(
    [labelled(("w1",)), labelled((long,))], tokenizer, 64
  )
  assert train.arrays["tokens"].shape == (1, 32)
  assert held_out.arrays["tokens"].shape == (1, 32)


def test_words_are_labelled_at_their_first_piece(tokenizer):
  # A word that the tokenizer does not know is one piece all the same.
  split = Tagged("made", (("w1", "w2-w3", "\u200b"),), ((7, 8, 9),))
  (rows,) = text_rows.of_sentences([split], tokenizer, 16)
  assert shown(tokenizer, rows, 0) == "[CLS] w1 w2 [UNK] w3 [UNK] [SEP]"
  assert rows.arrays["label"][0][:7].tolist() == [-1, 7, 8, -1, -1, 9, -1]


def test_every_word_of_a_long_sentence_has_its_label(tokenizer):
  words = tuple(f"w{i % 20}" for i in range(40))
  tags = tuple(i % 17 for i in range(40))
  (rows,) = text_rows.of_sentences(
    [Tagged("made", (words,), (tags,))], tokenizer, 16
  )
  labels = rows.arrays["label"]
  assert labels.shape == (3, 16)
  assert labels[labels >= 0].tolist() == list(tags)
