"""Documents: Python's own prose, text files, CoNLL-U, TensorFlow Datasets.

Every source yields `Document`s in an order that depends on its input alone.
Inside `Document.text` a newline ends a paragraph or a sentence, whatever the
source, and no other line break occurs.
"""

import ast
from collections.abc import Iterable, Iterator
import dataclasses
import functools
import glob
import itertools
import os
import re
import sysconfig
import warnings

from taskrobust_jax import errors
from taskrobust_jax.data import prepared
from taskrobust_jax.data.text import conllu, tfds_text
from taskrobust_jax.data.text.lines import read_lines

SOURCES = ("python_docs", "text_files", "conllu")

_PASSAGE_CHARACTERS = 2_000
_LONG_LINE = 200
_ARCHIVES = (".tar", ".tar.gz", ".tar.xz", ".tgz", ".txz", ".zip")
_SKIPPED_FOLDERS = (
  *("__pycache__", "dist-packages", "idlelib", "lib2to3", "pydoc_data"),
  *("site-packages", "test", "tests", "turtledemo"),
)


@dataclasses.dataclass(frozen=True)
class Document:
  """A text, and where known its words and their gold tags.

  Attributes:
    text: the characters; a newline ends a paragraph or a sentence.
    name: where it came from, for error messages.
    words: (start, end) character span of every gold word, ascending and
      disjoint, or None.
    tags: the gold universal tag of every word, or None.
    entities: the type of the named entity that every word is part of,
      `conllu.NO_ENTITY` for none; None where the source says nothing of them.
  """

  text: str
  name: str
  words: tuple[tuple[int, int], ...] | None = None
  tags: tuple[str, ...] | None = None
  entities: tuple[str, ...] | None = None


def read(
  source: str, path: str, text_feature: str = "text"
) -> Iterator[Document]:
  """Yields the documents of a source.

  Args:
    source: "python_docs" (the prose of `pydoc_data.topics` and the docstrings
      of the standard library, which is parsed and never imported: what it
      holds depends on the version of Python), "text_files" (passages: whole
      paragraphs, joined until they have 2,000 characters) or "conllu" (what
      stands between two `# newdoc` marks where the file has them, else a
      sentence), or "tfds:NAME" (the examples of a TensorFlow Datasets dataset
      that is on disk, such as "tfds:wikipedia/20230601.en").
    path: a glob of UTF-8 files, plain, .gz or .xz, read in the order of their
      names; empty for "python_docs"; a split such as "train" or
      "validation[:10%]" for "tfds:NAME".
    text_feature: the feature of a "tfds:NAME" that holds the text.

  Returns:
    An iterator over documents; problems with a file's content are raised when
    the iteration reaches them.

  Raises:
    InputError: an unknown source, a glob that matches no file, a file that
      cannot be read or is not UTF-8 (file and byte offset), a CoNLL-U line
      without 10 columns or with an unknown tag (file and line), a TFDS dataset
      without data or without the feature.
  """
  files = find_files(source, path, text_feature)
  if name := _tfds_name(source):
    examples = tfds_text.documents(name, path, text_feature)
    return (Document(characters, place) for characters, place in examples)
  if source == "python_docs":
    return iter(_python_docs())
  reader = _text_file if source == "text_files" else _conllu_file
  return itertools.chain.from_iterable(map(reader, files))


def _tfds_name(source: str) -> str:
  """NAME of "tfds:NAME", "" for other sources."""
  is_tfds = str(source).startswith(prepared.PREFIX)
  return source.removeprefix(prepared.PREFIX) if is_tfds else ""


def find_files(source: str, path: str, text_feature: str = "text") -> list[str]:
  """The files that `read` opens, sorted; none for "python_docs"."""
  if name := _tfds_name(source):
    return tfds_text.find_files(name, path, text_feature)
  if source not in SOURCES:
    raise errors.InputError(
      f"source: {source!r} is not one of {', '.join(SOURCES)}, tfds:NAME"
      f"{errors.did_you_mean(source, SOURCES)}"
    )
  if source == "python_docs":
    if path:
      raise errors.InputError(
        f"path: {path!r}, but the source python_docs reads no files; "
        "it takes an empty path"
      )
    return []
  pattern = os.path.expanduser(path)
  files = sorted(
    file for file in glob.glob(pattern, recursive=True) if os.path.isfile(file)
  )
  if not files:
    raise errors.InputError(
      f"path: {path!r} matches no file (the source {source} takes a glob)"
    )
  for file in files:
    if file.lower().endswith(_ARCHIVES):
      raise errors.InputError(
        f"{file}: is an archive; unpack it and give a glob of its files"
      )
  return files


def _paragraphs(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
  """Yields (number of the first line, lines) of every paragraph.

  A blank line ends a paragraph. Some files have none and write a paragraph on
  one long line; so a long line is a paragraph too, and no paragraph of more
  lines grows much beyond a passage.
  """
  first, block, size, was_long = 1, [], 0, False
  for number, line in enumerate(lines, 1):
    is_long = len(line) > _LONG_LINE
    is_full = is_long or was_long or size >= _PASSAGE_CHARACTERS
    if block and (is_full or not line.strip()):
      yield first, block
      block, size = [], 0
    was_long = is_long
    if line.strip():
      first = first if block else number
      block.append(line)
      size += len(line) + 1
  if block:
    yield first, block


def _join(lines: Iterable[str]) -> str:
  """One line of a paragraph; a word broken at "built-" is made whole."""
  pieces = [""]
  for line in (" ".join(line.split()) for line in lines):
    is_broken = re.search(r"\w-$", pieces[-1]) and re.match(r"[a-z]", line)
    pieces += [line] if is_broken or not pieces[-1] else [" ", line]
  return "".join(pieces)


def _passages(
  name: str, paragraphs: Iterable[tuple[int, str]]
) -> Iterator[Document]:
  """Joins paragraphs until a passage has at least 2,000 characters."""
  first, parts, size = 1, [], -1
  for number, paragraph in paragraphs:
    if not parts:
      first = number
    parts.append(paragraph)
    size += len(paragraph) + 1
    if size >= _PASSAGE_CHARACTERS:
      yield Document("\n".join(parts), f"{name}:{first}")
      parts, size = [], -1
  if parts:
    yield Document("\n".join(parts), f"{name}:{first}")


def _text_file(file: str) -> Iterator[Document]:
  blocks = _paragraphs(read_lines(file))
  return _passages(file, ((number, _join(block)) for number, block in blocks))


def _conllu_file(file: str) -> Iterator[Document]:
  for line, text, *words in conllu.documents(file, read_lines(file)):
    yield Document(text, f"{file}:{line}", *words)


@functools.cache
def _python_docs() -> tuple[Document, ...]:
  """The prose of Python; kept, for it takes seconds to read and 1.5 MB."""
  return tuple(_read_python_docs())


def _read_python_docs() -> Iterator[Document]:
  """Yields the prose of the language reference, then of the docstrings."""
  from pydoc_data import topics

  # Many paragraphs are inherited or copied; a copy in the held-out split
  # would be a leak.
  seen = set()
  for name, text in sorted(topics.topics.items()):
    yield from _passages(f"pydoc:{name}", _prose(text, seen))
  root = sysconfig.get_paths()["stdlib"]
  files = []
  for folder, folders, names in os.walk(root):
    folders[:] = [
      name
      for name in folders
      if name not in _SKIPPED_FOLDERS and not name.startswith("config-")
    ]
    files += [os.path.join(folder, n) for n in names if n.endswith(".py")]
  for file in sorted(files):
    name = os.path.relpath(file, root)
    text = "\n\n".join(_docstrings(file))
    yield from _passages(name, _prose(text, seen))


def _docstrings(file: str) -> Iterator[str]:
  """Yields the docstrings of a Python file, which is not imported."""
  with open(file, "rb") as stream, warnings.catch_warnings():
    # Old escapes in other people's files are no concern of the user's.
    warnings.simplefilter("ignore")
    try:
      tree = ast.parse(stream.read())
    except (SyntaxError, ValueError):
      return
  kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
  nodes = [tree]
  while nodes:
    node = nodes.pop()
    if isinstance(node, kinds) and (text := ast.get_docstring(node)):
      yield text
    # `ast.walk` would visit every expression too, which takes most of the time.
    for field in ("orelse", "handlers", "body"):
      inner = getattr(node, field, [])
      nodes += reversed(inner) if isinstance(inner, list) else []


def _prose(text: str, seen: set[str]) -> Iterator[tuple[int, str]]:
  """Yields the paragraphs that are English sentences, each once."""
  for number, lines in _paragraphs(text.splitlines()):
    if any(re.match(r"\s*(>>>|\.\.\. |\.\. )|.*::=", line) for line in lines):
      continue  # A doctest, a directive, a grammar rule.
    # Rulers under headings, bullets.
    lines = [line for line in lines if re.search(r"\w", line)]
    paragraph = re.sub(r"^[*-] ", "", _join(lines))
    words = paragraph.split()
    plain = sum(bool(re.fullmatch(r"\W?[^\W\d_]+\W{0,2}", w)) for w in words)
    is_prose = len(words) >= 6 and plain >= 0.75 * len(words)
    if is_prose and paragraph[-1] in ".:!?)" and paragraph not in seen:
      seen.add(paragraph)
      yield number, paragraph
