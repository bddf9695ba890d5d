"""A block of documents becomes a shard: all that worker processes run.

Nothing here imports JAX, and a block needs nothing but the folder: so it can
run in any process on any machine that sees it, in any order, more than once.
"""

import dataclasses
import functools
import os
from typing import Any

from taskrobust_jax.data import stored
from taskrobust_jax.data.tagging import part_of_speech, taggers
from taskrobust_jax.data.text import (
  corpus,
  packing,
  records,
  shards,
  vocabulary,
  wordpiece,
)

# Of an unfinished dataset: blocks, what was counted, how to make shards.
WORK_FOLDER = "unfinished"
_WORK_FILE = "work.json"

# (folder of the dataset, split, number of the block).
Block = tuple[str, str, int]


def write_work(directory: str, work: dict[str, Any]) -> None:
  """Writes how the blocks of a dataset become shards.

  Args:
    directory: of the dataset; its tokenizer.json stands there already.
    work: `tagger` and `tagger_path` as in the config, `state` from the tagger's
      `fit`, `row_length`, `num_blocks` by split.
  """
  shards.write_json(os.path.join(directory, WORK_FOLDER, _WORK_FILE), work)


def read_work(directory: str) -> dict[str, Any] | None:
  """What `write_work` wrote; None if it has not."""
  return shards.read_json(os.path.join(directory, WORK_FOLDER, _WORK_FILE))


def read_counts(block: Block) -> shards.Counts | None:
  """What the shard of a block holds; None if it is still to be made."""
  return shards.read_counts(_counts_file(block))


def make_shard(block: Block) -> Block:
  """Tags, cuts, packs and writes one block, unless that was done before.

  Raises:
    InputError: a document that the tagger cannot tag.
    OSError: the disk is full.
  """
  if read_counts(block) is not None:
    return block
  directory, split, index = block
  work = _work(directory)
  work_folder = os.path.join(directory, WORK_FOLDER)
  tagged = _Tagging(
    work.tagger,
    work.has_upos,
    corpus.read_block(work_folder, split, index),
  )
  pieces = wordpiece.encode(work.tokenizer, tagged)
  name = stored.file_name(split, index, work.num_blocks[split])
  rows = packing.pack(
    pieces, work.row_length, special_token_ids=work.special_token_ids
  )
  counts = shards.write_shard(
    os.path.join(directory, name),
    rows,
    len(work.tagger.tag_names),
  )
  counts = dataclasses.replace(
    counts,
    documents=tagged.documents,
    words=tagged.words,
    confusion=None if tagged.confusion is None else tagged.confusion.tolist(),
  )
  shards.write_counts(_counts_file(block), counts)
  return block


def _counts_file(block: Block) -> str:
  directory, split, index = block
  name = f"{split}-{index:05d}.counts.json"
  return os.path.join(directory, WORK_FOLDER, name)


@dataclasses.dataclass(frozen=True)
class _Work:
  """What every block of a dataset needs, read once a process."""

  tagger: Any
  has_upos: bool
  tokenizer: Any
  special_token_ids: dict[str, int]
  row_length: int
  num_blocks: dict[str, int]


def _work(directory: str) -> _Work:
  file = os.path.join(directory, WORK_FOLDER, _WORK_FILE)
  status = os.stat(file)
  return _read_work(directory, status.st_ino, status.st_mtime_ns)


@functools.lru_cache(1)
def _read_work(directory: str, *_: int) -> _Work:
  values = read_work(directory)
  tagger = taggers.make(values["tagger"], values["tagger_path"])
  tagger.load(values["state"])
  file = os.path.join(directory, records.TOKENIZER_FILE)
  tokenizer = vocabulary.read_json(file)
  return _Work(
    tagger=tagger,
    has_upos=tagger.tag_names == part_of_speech.TAG_NAMES
    and values["tagger"] != "gold",
    tokenizer=tokenizer,
    special_token_ids=vocabulary.special_token_ids(tokenizer, file),
    row_length=values["row_length"],
    num_blocks=values["num_blocks"],
  )


class _Tagging:
  """Tags documents on their way through, and counts."""

  def __init__(self, tagger, has_upos: bool, documents):
    self._tagger, self._has_upos = tagger, has_upos
    self._documents = documents
    self.documents = self.words = 0
    self.confusion = None

  def __iter__(self):
    for document in self._documents:
      spans, tags = self._tagger.tag(document)
      self.documents += 1
      self.words += len(tags)
      if self._has_upos and document.tags is not None:
        counts = part_of_speech.confusion(document, spans, tags)
        self.confusion = (
          counts if self.confusion is None else self.confusion + counts
        )
      yield document, spans, tags
