"""Sentences of words with universal part-of-speech tags, from CoNLL-U."""

from collections.abc import Iterator
import dataclasses
import re

from taskrobust_jax import errors
from taskrobust_jax.data.text import conllu
from taskrobust_jax.data.text.lines import read_lines


@dataclasses.dataclass(frozen=True)
class Tagged:
  """The sentences of a split.

  Attributes:
    name: the file.
    words: n sentences of words.
    tags: the number of each word's tag in `conllu.UPOS_TAGS`.
  """

  name: str
  words: tuple[tuple[str, ...], ...]
  tags: tuple[tuple[int, ...], ...]


def read(file: str) -> Tagged:
  """Reads a CoNLL-U file, plain or compressed.

  Raises:
    InputError: a file that cannot be read or has no sentence, a line without 10
      columns or with an unknown tag.
  """
  words, tags = [], []
  for _, text, spans, sentence_tags, _ in conllu.documents(
    file, _without_documents(file)
  ):
    words.append(tuple(text[start:end] for start, end in spans))
    tags.append(tuple(conllu.UPOS_TAGS.index(tag) for tag in sentence_tags))
  if not words:
    raise errors.InputError(f"{file}: has no sentences")
  return Tagged(file, tuple(words), tuple(tags))


def _without_documents(file: str) -> Iterator[str]:
  """Lines without the marks of documents: each sentence is then one."""
  for line in read_lines(file):
    yield "#" if re.match(r"#\s*newdoc\b", line) else line
