"""A corpus: its documents, once each, in two splits, laid out in blocks.

Staging reads the source once and writes blocks of documents as JSON lines. What
comes after (vocabulary, tagging, packing) reads these: in any process, on any
machine that sees the folder, again after a stop, and unmoved by an edit of the
source meanwhile. It costs as much disk as the text; the blocks are removed at
the end.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import hashlib
import json
import os

from taskrobust_jax import errors
from taskrobust_jax.data import stored
from taskrobust_jax.data.text import shards, sources

# A block becomes a shard: some 850,000 words, the unit of work and of what a
# stop may lose.
BLOCK_CHARACTERS = 1 << 22
# Shorter documents that are equal are no copies: "Thank you."
SHORTEST_COPY = 100
_STAGED = "staged.json"
_FIELDS = dataclasses.fields(sources.Document)


@dataclasses.dataclass(frozen=True)
class Staged:
  """What staging found.

  Attributes:
    characters: of every block, by split.
    documents: by split, without those below.
    empty: documents without a word, left out.
    copies: documents of at least `SHORTEST_COPY` characters that are equal to
      one before, in either split; left out, so that nothing that is trained on
      is held out too.
  """

  characters: dict[str, list[int]]
  documents: dict[str, int]
  empty: int
  copies: int


class Corpus:
  """The documents of a source.

  Args:
    source: one of `sources.SOURCES`, or tfds:NAME.
    train_path: of the training documents, see `sources.read`.
    eval_path: of those held out; empty to hold out every n-th of the training
      documents, n = round(1 / eval_share).
    eval_share: above 0, at most 0.5.
    text_feature: see `sources.read`.

  Raises:
    InputError: no such source or files.
  """

  def __init__(
    self,
    source: str,
    train_path: str,
    eval_path: str,
    eval_share: float,
    text_feature: str,
  ):
    self._source, self._feature = source, text_feature
    self._train, self._eval = train_path, eval_path
    self._every = 0 if eval_path else round(1 / eval_share)
    files = sources.find_files(source, train_path, text_feature)
    if eval_path:
      files += sources.find_files(source, eval_path, text_feature)
    self.files = tuple(dict.fromkeys(files))

  def stage(self, folder: str) -> Staged:
    """Writes the blocks, unless that was done before.

    Memory: a set of 64-bit hashes, some 110 bytes a document as measured (0.7
    GB for 6.8 million, as many as English Wikipedia has articles). That any two
    different ones of so many share a hash has a chance of 1 in 800,000.

    Args:
      folder: it exists; blocks and a staged.json are written.

    Raises:
      InputError: text that cannot be read, or a split without a document.
    """
    found = shards.read_json(os.path.join(folder, _STAGED))
    if found is not None:
      return Staged(**found)
    seen, empty, copies = set(), 0, 0
    documents = dict.fromkeys(stored.SPLITS, 0)
    with contextlib.ExitStack() as stack:
      writers = {
        name: stack.enter_context(contextlib.closing(_Blocks(folder, name)))
        for name in stored.SPLITS
      }
      for document, split in self._documents():
        if not document.text.strip():
          empty += 1
          continue
        if len(document.text) >= SHORTEST_COPY:
          key = _hash(document.text)
          if key in seen:
            copies += 1
            continue
          seen.add(key)
        if self._every:
          number = sum(documents.values()) + 1
          split = "train" if number % self._every else "eval"
        documents[split] += 1
        writers[split].add(document)
    self._check(documents)
    staged = Staged(
      {name: writer.characters for name, writer in writers.items()},
      documents,
      empty,
      copies,
    )
    shards.write_json(os.path.join(folder, _STAGED), dataclasses.asdict(staged))
    return staged

  def _documents(self) -> Iterator[tuple[sources.Document, str]]:
    paths = {"train": self._train} | (
      {"eval": self._eval} if self._eval else {}
    )
    for split, path in paths.items():
      for document in sources.read(self._source, path, self._feature):
        yield document, split

  def _check(self, documents: dict[str, int]) -> None:
    """Raises InputError where a split has no document."""
    for split, count in documents.items():
      if not count:
        path = self._eval if self._eval and split == "eval" else self._train
        wish = f"; every {self._every}th is held out" if self._every else ""
        raise errors.InputError(
          f"the corpus is empty: source {self._source}, path {path!r} give 0 "
          f"documents for the split {split} (empty ones and copies left out), "
          f"at least 1 is needed{wish}"
        )


def read_block(
  folder: str, split: str, index: int
) -> Iterator[sources.Document]:
  """Yields the documents of a block."""
  file = _block_file(folder, split, index)
  with open(file, encoding="utf-8", errors="surrogatepass") as stream:
    for line in stream:
      characters, name, words, tags, entities = json.loads(line)
      yield sources.Document(
        characters,
        name,
        None if words is None else tuple(map(tuple, words)),
        None if tags is None else tuple(tags),
        None if entities is None else tuple(entities),
      )


def _block_file(folder: str, split: str, index: int) -> str:
  return os.path.join(folder, f"{split}-{index:05d}.jsonl")


def _hash(characters: str) -> int:
  data = characters.encode("utf-8", "surrogatepass")
  return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


class _Blocks:
  """Writes the blocks of one split."""

  def __init__(self, folder: str, split: str):
    self._folder, self._split = folder, split
    self._stream = None
    self.characters = []

  def add(self, document: sources.Document) -> None:
    """Appends a document; a full block is closed."""
    if self._stream is None:
      file = _block_file(self._folder, self._split, len(self.characters))
      self._stream = open(file, "w", encoding="utf-8", errors="surrogatepass")
      self.characters.append(0)
    # Not dataclasses.astuple, which copies every word's span.
    values = [getattr(document, field.name) for field in _FIELDS]
    self._stream.write(json.dumps(values, ensure_ascii=False) + "\n")
    self.characters[-1] += len(document.text)
    if self.characters[-1] >= BLOCK_CHARACTERS:
      self.close()

  def close(self) -> None:
    """Closes the block that is open, if one is."""
    if self._stream is not None:
      self._stream.flush()
      os.fsync(self._stream.fileno())
      self._stream.close()
      self._stream = None
