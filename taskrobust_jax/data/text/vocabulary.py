"""Vocabularies: their special tokens, and those that a user brings."""

import os
from typing import TYPE_CHECKING

from taskrobust_jax import errors

if TYPE_CHECKING:
  import tokenizers

# What every vocabulary must have. In one that is trained here a token's id is
# its place; in one that is given the file says.
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SPECIAL_TOKEN_IDS = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
# BERT's: a longer word is [UNK].
MAX_WORD_CHARACTERS = 100


def read(file: str) -> "tokenizers.Tokenizer":
  """Reads a vocabulary that was made elsewhere.

  Args:
    file: a `vocab.txt` of BERT (one piece a line, its id is the line, the first
      is 0) or any other name for the JSON of `tokenizers`. A vocab.txt with an
      upper-case letter in a piece keeps case; one without is for lower-cased
      text without accents, as BERT's own are.

  Raises:
    InputError: the file cannot be read, is not of its form, holds a piece
      twice, or lacks a special token.
  """
  file = os.path.abspath(os.path.expanduser(file))
  if file.endswith(".txt"):
    return _read_vocab_txt(file)
  return read_json(file)


def read_json(file: str) -> "tokenizers.Tokenizer":
  """Reads a tokenizer.json, ours or another.

  Raises:
    InputError: the file cannot be read, is no tokenizer, or lacks a special
      token.
  """
  import tokenizers

  try:
    tokenizer = tokenizers.Tokenizer.from_str(_text_of(file))
  except errors.InputError:
    raise
  except Exception as error:  # `tokenizers` raises bare Exception.
    raise errors.InputError(f"{file}: is no tokenizer: {error}") from error
  # Some files ask for rows of one length; rows are packed here.
  tokenizer.no_padding()
  tokenizer.no_truncation()
  special_token_ids(tokenizer, file)
  return tokenizer


def special_token_ids(
  tokenizer: "tokenizers.Tokenizer", file: str
) -> dict[str, int]:
  """The ids of `SPECIAL_TOKENS`.

  Raises:
    InputError: one is lacking; `file` is named.
  """
  ids = {token: tokenizer.token_to_id(token) for token in SPECIAL_TOKENS}
  lacking = [token for token, number in ids.items() if number is None]
  if lacking:
    raise errors.InputError(
      f"{file}: has no {', '.join(lacking)}; a vocabulary needs "
      f"{' '.join(SPECIAL_TOKENS)}"
    )
  return ids


def size(tokenizer: "tokenizers.Tokenizer") -> int:
  """V: one more than the largest id; some vocabularies have holes."""
  return max(tokenizer.get_vocab().values()) + 1


def untrained(model, *, is_lower: bool = True) -> "tokenizers.Tokenizer":
  """A tokenizer of BERT's form around a model."""
  import tokenizers
  from tokenizers import decoders, normalizers, pre_tokenizers

  tokenizer = tokenizers.Tokenizer(model)
  tokenizer.normalizer = normalizers.BertNormalizer(lowercase=is_lower)
  tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
  tokenizer.decoder = decoders.WordPiece()
  return tokenizer


def add_special_tokens(tokenizer: "tokenizers.Tokenizer") -> None:
  """Marks the special tokens, which the model holds already."""
  import tokenizers

  tokenizer.add_special_tokens(
    [tokenizers.AddedToken(token, special=True) for token in SPECIAL_TOKENS]
  )


def _read_vocab_txt(file: str) -> "tokenizers.Tokenizer":
  from tokenizers import models

  # Not splitlines: some vocabularies hold a piece that is a line separator.
  pieces = _text_of(file).removesuffix("\n").split("\n")
  pieces = [piece.removesuffix("\r") for piece in pieces]
  places = {}
  for number, piece in enumerate(pieces):
    if not piece or piece in places:
      what = f"is {piece!r}, as line {places[piece] + 1}" if piece else "empty"
      raise errors.InputError(
        f"{file}:{number + 1}: {what}; a vocab.txt has one piece a line, each "
        "once"
      )
    places[piece] = number
  lacking = [token for token in SPECIAL_TOKENS if token not in places]
  if lacking:
    raise errors.InputError(
      f"{file}: has no {', '.join(lacking)}; a vocabulary needs "
      f"{' '.join(SPECIAL_TOKENS)}"
    )
  is_lower = not any(
    piece != piece.lower() for piece in pieces if piece[:1] != "["
  )
  model = models.WordPiece(
    places, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD_CHARACTERS
  )
  tokenizer = untrained(model, is_lower=is_lower)
  add_special_tokens(tokenizer)
  return tokenizer


def _text_of(file: str) -> str:
  try:
    with open(file, encoding="utf-8", newline="\n") as stream:
      return stream.read()
  except UnicodeDecodeError as error:
    raise errors.InputError(
      f"{file}: byte {error.start} is not UTF-8 ({error.reason}), so this is "
      "no tokenizer"
    ) from error
  except OSError as error:
    raise errors.InputError(f"{file}: cannot be read: {error}") from error
