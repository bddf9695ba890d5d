"""The vocabulary is a function of the text; pieces know their words."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import part_of_speech
from taskrobust_jax.data.text import sources, vocabulary, wordpiece

TEXT = ["It isn't raining in the café.", "The rain [MASK] rained ##on trains."]
TRAIN = (
  "from taskrobust_jax.data.text import sources, wordpiece\n"
  "texts = lambda: (d.text for d in list(sources.read('text_files', {!r})))\n"
  "print(wordpiece.save(wordpiece.train(texts, 400), {!r}))"
)


@pytest.fixture(scope="module")
def tokenizer():
  return wordpiece.train(lambda: TEXT * 9, 128)


def encode(tokenizer, characters, words, tags):
  document = sources.Document(characters, "x", tuple(words), tuple(tags))
  tagged = (document, *part_of_speech.Gold().tag(document))
  (pieces,) = wordpiece.encode(tokenizer, [tagged])
  return pieces, [tokenizer.id_to_token(i) for i in pieces.tokens]


def test_two_processes_train_the_same_bytes(tmp_path):
  # Without numbered letters `tokenizers` differs from run to run here.
  corpus = tmp_path / "a.txt"
  with open(os.__file__, encoding="utf-8") as stream:
    corpus.write_text(stream.read())
  hashes = set()
  for threads in ("1", "2", "2"):
    code = TRAIN.format(str(corpus), str(tmp_path / "tokenizer.json"))
    result = subprocess.run(
      [sys.executable, "-c", code],
      env={**os.environ, "RAYON_NUM_THREADS": threads},
      capture_output=True,
      text=True,
      check=True,
    )
    hashes.add(result.stdout.strip())
  assert len(hashes) == 1
  assert hashes == {wordpiece.sha256(str(tmp_path / "tokenizer.json"))}


def test_special_tokens_come_first_and_text_never_gives_them(tokenizer):
  assert vocabulary.SPECIAL_TOKEN_IDS == {
    "[PAD]": 0,
    "[UNK]": 1,
    "[CLS]": 2,
    "[SEP]": 3,
    "[MASK]": 4,
  }
  for token, i in vocabulary.SPECIAL_TOKEN_IDS.items():
    assert tokenizer.token_to_id(token) == i
  pieces, _ = encode(tokenizer, "a [MASK] in [SEP] rain", [], [])
  assert len(pieces.tokens) > 5
  assert not set(pieces.tokens.tolist()) & {0, 2, 3, 4}


def test_a_piece_takes_the_tag_of_the_word_over_its_first_character(tokenizer):
  words = [(0, 2), (3, 5), (5, 8), (9, 16), (20, 24)]
  tags = ["PRON", "AUX", "PART", "VERB", "NOUN"]
  pieces, tokens = encode(tokenizer, "It isn't raining the café.", words, tags)
  assert "".join(tokens).replace("##", "") == "itisn'trainingthecafe."
  names = [part_of_speech.TAG_NAMES[i] for i in pieces.tags]
  # "the" and "." are of no word, and are marked off from those before them.
  expected = {"it": "PRON", "'": "PART", "the": "_", ".": "_"}
  for token, name in zip(tokens, names, strict=True):
    assert name == expected.get(token, name)
  starts = [t for t, s in zip(tokens, pieces.word_starts, strict=True) if s]
  assert len(starts) == 7
  assert starts[0] == "it"
  assert {"'", ".", "the"} <= set(starts)
  assert pieces.tokens.dtype == pieces.tags.dtype == np.int32
  assert pieces.word_starts.dtype == bool


def test_blocks_keep_the_order_of_documents(tokenizer):
  documents = []
  for i in range(600):
    document = sources.Document("rain " * (i % 7), "x", (), ())
    documents.append((document, *part_of_speech.Gold().tag(document)))
  pieces = list(wordpiece.encode(tokenizer, documents))
  sizes = [len(p.tokens) for p in pieces]
  assert sizes == [i % 7 * max(1, sizes[1]) for i in range(600)]


def test_save_and_load(tokenizer, tmp_path):
  file = tmp_path / "tokenizer.json"
  digest = wordpiece.save(tokenizer, str(file))
  assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
  loaded = vocabulary.read_json(str(file))
  assert loaded.get_vocab() == tokenizer.get_vocab()
  assert loaded.encode("rain").ids == tokenizer.encode("rain").ids


def test_bad_input_names_itself(tokenizer, tmp_path):
  for size in (63, 1_000_001, -1):
    with pytest.raises(errors.InputError, match=f"{size} is not between 64"):
      wordpiece.train(lambda: TEXT, size)
  with pytest.raises(errors.InputError, match="no word: 0 seen"):
    wordpiece.train(lambda: [" \n"], 100)
  file = tmp_path / "tokenizer.json"
  with pytest.raises(errors.InputError, match="tokenizer.json: cannot be read"):
    wordpiece.sha256(str(file))
