"""Vocabularies made elsewhere: BERT's vocab.txt, and any tokenizer.json."""

import json

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.text import sources, vocabulary, wordpiece

NO_WORDS = (np.zeros((0, 2), np.int32), np.zeros(0, np.int32))
# As in BERT's: [PAD] first, unused ones, the other special tokens at 100.
PIECES = [
  "[PAD]",
  *(f"[unused{i}]" for i in range(99)),
  *("[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused99]"),
  *("the", "dog", "##s", "run", "cafe", "[", "]", "mask", "."),
]


def write(folder, pieces, name="vocab.txt"):
  (folder / name).write_text("\n".join(pieces) + "\n", "utf-8")
  return str(folder / name)


def encode(tokenizer, characters):
  document = sources.Document(characters, "x")
  (pieces,) = wordpiece.encode(tokenizer, [(document, *NO_WORDS)])
  return [tokenizer.id_to_token(i) for i in pieces.tokens]


def test_vocab_txt_has_the_ids_of_its_lines(tmp_path):
  tokenizer = vocabulary.read(write(tmp_path, PIECES))
  ids = vocabulary.special_token_ids(tokenizer, "")
  assert ids == {
    "[PAD]": 0,
    "[UNK]": 100,
    "[CLS]": 101,
    "[SEP]": 102,
    "[MASK]": 103,
  }
  assert vocabulary.size(tokenizer) == len(PIECES)
  assert encode(tokenizer, "The DOGS run. Café xyz") == [
    *("the", "dog", "##s", "run", ".", "cafe", "[UNK]")
  ]
  assert encode(tokenizer, "[MASK] [CLS]") == [
    *("[", "mask", "]", "[", "[UNK]", "]")
  ]
  # Kept as tokenizer.json it is the same.
  wordpiece.save(tokenizer, str(tmp_path / "tokenizer.json"))
  again = vocabulary.read(str(tmp_path / "tokenizer.json"))
  assert again.get_vocab() == tokenizer.get_vocab()
  assert encode(again, "The DOGS") == ["the", "dog", "##s"]


def test_a_vocabulary_with_capitals_keeps_case(tmp_path):
  file = write(tmp_path, [*PIECES, "The", "Café"])
  tokenizer = vocabulary.read(file)
  assert encode(tokenizer, "The the Café cafe DOG") == [
    *("The", "the", "Café", "cafe", "[UNK]")
  ]


def test_windows_line_ends_are_no_part_of_a_piece(tmp_path):
  (tmp_path / "vocab.txt").write_bytes("\r\n".join(PIECES).encode() + b"\r\n")
  tokenizer = vocabulary.read(str(tmp_path / "vocab.txt"))
  assert encode(tokenizer, "the") == ["the"]


def test_a_tokenizer_json_that_pads_and_cuts_does_neither_here(tmp_path):
  tokenizer = vocabulary.read(write(tmp_path, PIECES))
  tokenizer.enable_padding(length=8)
  tokenizer.enable_truncation(2)
  tokenizer.save(str(tmp_path / "tokenizer.json"))
  again = vocabulary.read(str(tmp_path / "tokenizer.json"))
  assert encode(again, "the dog") == ["the", "dog"]
  assert encode(again, "the dog run .") == ["the", "dog", "run", "."]


def test_a_special_token_in_the_text_is_unknown(tmp_path):
  # A tokenizer that splits at spaces alone finds "[MASK]" in its vocabulary.
  from tokenizers import pre_tokenizers

  tokenizer = vocabulary.read(write(tmp_path, PIECES))
  tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
  tokenizer.normalizer = None
  assert encode(tokenizer, "the [MASK] dog") == ["the", "[UNK]", "dog"]


def test_a_vocabulary_with_holes_has_the_size_of_its_largest_id(tmp_path):
  tokenizer = vocabulary.read(write(tmp_path, PIECES))
  data = json.loads(tokenizer.to_str())
  data["model"]["vocab"]["far"] = 500
  (tmp_path / "t.json").write_text(json.dumps(data))
  assert vocabulary.size(vocabulary.read(str(tmp_path / "t.json"))) == 501


@pytest.mark.parametrize("lacking", vocabulary.SPECIAL_TOKENS)
def test_a_lacking_special_token_is_named(tmp_path, lacking):
  pieces = [piece for piece in PIECES if piece != lacking]
  message = rf"has no \[{lacking[1:-1]}\]; a vocabulary needs \[PAD\]"
  with pytest.raises(errors.InputError, match=message):
    vocabulary.read(write(tmp_path, pieces))
  whole = vocabulary.read(write(tmp_path, PIECES)).to_str()
  (tmp_path / "t.json").write_text(whole.replace(lacking, "[XXX]"))
  with pytest.raises(errors.InputError, match=message):
    vocabulary.read(str(tmp_path / "t.json"))


@pytest.mark.parametrize(
  ("name", "content", "message"),
  [
    ("v.txt", b"[PAD]\n\nthe\n", r"v\.txt:2: empty"),
    ("v.txt", b"[PAD]\nthe\nthe\n", r"v\.txt:3: is 'the', as line 2"),
    ("v.txt", b"caf\xe9\n", r"v\.txt: byte 3 is not UTF-8"),
    ("v.txt", b"", r"v\.txt:1: empty"),
    ("t.json", b"{}", r"t\.json: is no tokenizer"),
    ("t.json", b"\xff", r"t\.json: byte 0 is not UTF-8"),
    ("t.json", b"", r"t\.json: is no tokenizer"),
  ],
)
def test_bad_files_name_themselves(tmp_path, name, content, message):
  (tmp_path / name).write_bytes(content)
  with pytest.raises(errors.InputError, match=message):
    vocabulary.read(str(tmp_path / name))
  with pytest.raises(errors.InputError, match="none.json: cannot be read"):
    vocabulary.read(str(tmp_path / "none.json"))
