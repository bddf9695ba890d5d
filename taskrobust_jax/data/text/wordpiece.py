"""WordPiece: training, keeping, and pieces that know their words."""

import collections
from collections.abc import Callable, Iterable, Iterator
import dataclasses
import hashlib
import itertools
import re
from typing import TYPE_CHECKING

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.text import sources, vocabulary, words

if TYPE_CHECKING:
  import tokenizers

_MAX_ALPHABET = 1_000
_VOCABULARY_SIZES = (64, 1_000_000)
# Training takes time in the square of a word's length, and a word of more than
# `vocabulary.MAX_WORD_CHARACTERS` is [UNK] anyway. Ten times as much, since
# some scripts without spaces are cut into characters before that.
_ENDLESS_WORD = re.compile(r"\w{1001,}")
# Documents encoded at once: enough to keep the threads of `tokenizers` busy.
_DOCUMENTS = 256


@dataclasses.dataclass(frozen=True)
class Pieces:
  """The pieces of one document.

  Attributes:
    tokens: ids in the vocabulary, int32 [n].
    word_starts: whether a piece is the first of its word, bool [n].
    tags: the tag ids of the pieces' words, int32 [n].
  """

  tokens: np.ndarray
  word_starts: np.ndarray
  tags: np.ndarray


def train(
  read_texts: Callable[[], Iterable[str]], vocabulary_size: int
) -> "tokenizers.Tokenizer":
  """Trains a WordPiece vocabulary on lower-cased text.

  `tokenizers` numbers the letters inside words ("##a") in the order of a hash
  table, which differs between runs, and breaks ties between equally frequent
  pairs by those numbers: two trainings on the same text disagree. Here the
  letters are numbered beforehand, so the vocabulary is a function of the text
  (seen equal over processes and numbers of threads; another version of
  `tokenizers` may still differ, hence the hash that is kept with the data).

  Args:
    read_texts: called twice, gives the training text: once for its letters,
      once for its words.
    vocabulary_size: the number of pieces wanted, 64 to 1,000,000; a small text
      gives fewer. The commonest letters get at most half of it, the others
      become [UNK].

  Returns:
    The tokenizer: BERT's normaliser (lower case, no accents) and pre-tokeniser.

  Raises:
    InputError: no text, or a vocabulary_size out of its range.
  """
  from tokenizers import models, trainers

  check_vocabulary_size(vocabulary_size)
  draft = vocabulary.untrained(models.WordPiece(unk_token="[UNK]"))
  letters = collections.Counter()
  for characters in read_texts():
    letters.update(draft.normalizer.normalize_str(characters))
  letters = {c: n for c, n in letters.items() if not c.isspace()}
  if not letters:
    raise errors.InputError("the training text has no word: 0 seen, at least 1")
  room = (vocabulary_size - len(vocabulary.SPECIAL_TOKENS)) // 4
  common = sorted(letters, key=lambda letter: (-letters[letter], letter))
  alphabet = sorted(common[: min(room, _MAX_ALPHABET)])
  inner = ["##" + letter for letter in alphabet]
  draft.train_from_iterator(
    (_ENDLESS_WORD.sub(" ", characters) for characters in read_texts()),
    trainers.WordPieceTrainer(
      vocab_size=vocabulary_size,
      special_tokens=[*vocabulary.SPECIAL_TOKENS, *alphabet, *inner],
      initial_alphabet=alphabet,
      limit_alphabet=len(alphabet),
      show_progress=False,
    ),
  )
  # The draft takes every letter for a special token, which would cut words.
  model = models.WordPiece(
    draft.get_vocab(),
    unk_token="[UNK]",
    max_input_chars_per_word=vocabulary.MAX_WORD_CHARACTERS,
  )
  tokenizer = vocabulary.untrained(model)
  vocabulary.add_special_tokens(tokenizer)
  return tokenizer


def check_vocabulary_size(vocabulary_size: int) -> None:
  """Raises InputError unless `train` takes this size."""
  low, high = _VOCABULARY_SIZES
  if not low <= vocabulary_size <= high:
    raise errors.InputError(
      f"vocabulary_size: {vocabulary_size} is not between {low} and {high}"
    )


def save(tokenizer: "tokenizers.Tokenizer", file: str) -> str:
  """Writes tokenizer.json and returns the sha256 of its bytes.

  `tokenizers` itself writes the vocabulary in the order of the ids, so equal
  tokenizers have equal bytes.
  """
  data = tokenizer.to_str(pretty=True).encode("utf-8")
  with open(file, "wb") as stream:
    stream.write(data)
  return hashlib.sha256(data).hexdigest()


def sha256(file: str) -> str:
  """The sha256 of a file's bytes, in hexadecimal."""
  try:
    with open(file, "rb") as stream:
      return hashlib.file_digest(stream, "sha256").hexdigest()
  except OSError as error:
    raise errors.InputError(f"{file}: cannot be read: {error}") from error


def encode(
  tokenizer: "tokenizers.Tokenizer",
  documents: Iterable[tuple[sources.Document, np.ndarray, np.ndarray]],
) -> Iterator[Pieces]:
  """Cuts documents into pieces that know their words.

  A piece takes the tag of the word that covers its first character; where no
  word does, tag 0. A word starts with the first piece that it gives its tag
  to, and so does a stretch that no word covers; hence a word whose letters all
  lie in pieces of the word before ("gon" + "na", if "gonna" is one piece) has
  no piece and no start.

  Args:
    tokenizer: from `train` or `vocabulary.read`.
    documents: (document, spans [words, 2], tags [words]), the latter two from
      `tagger.Tagger.tag`.

  Yields:
    The pieces of each document, without special tokens, in order.
  """
  documents = iter(documents)
  # A text that speaks of "[MASK]" must not get the id of one.
  tokenizer.encode_special_tokens = True
  special = vocabulary.special_token_ids(tokenizer, "tokenizer")
  safe = np.arange(vocabulary.size(tokenizer), dtype=np.int32)
  safe[list(special.values())] = special["[UNK]"]
  while block := list(itertools.islice(documents, _DOCUMENTS)):
    encodings = tokenizer.encode_batch(
      [document.text for document, _, _ in block], add_special_tokens=False
    )
    for encoding, (_, spans, tags) in zip(encodings, block, strict=True):
      offsets = np.array(encoding.offsets, np.int64).reshape(-1, 2)
      of_word = words.covering(spans, offsets[:, 0])
      piece_tags = np.append(tags, 0)[of_word].astype(np.int32)
      word_starts = np.diff(of_word, prepend=-2) != 0
      tokens = safe[encoding.ids]
      yield Pieces(tokens, word_starts, piece_tags)
