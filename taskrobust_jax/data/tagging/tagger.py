"""What a tagger is: the place to add a split of words into tasks.

A task is a set of tags (`config.tasks.groups`), so whatever gives each word of
a text one of a few tags gives tasks: parts of speech, how frequent a word is,
which source its document is from. To add one:

1. Derive a class from `Tagger`, in a file of its own.
2. Give it a name in `taggers.TAGGERS`; `config.data.tagger` takes it then.
3. Put the groups of its tags into `config.tasks.groups`.

`text/preparation.prepare` calls a tagger in this order:

    tagger = MyTagger(path)                # in the program; quick checks
    state = tagger.fit(read_documents)     # in the program, once
    tagger.load(state)                     # in every process that tags
    spans, tags = tagger.tag(document)

`state` is kept as JSON beside the unfinished data, so that a run which was
stopped goes on with the very same tagger. Nothing else goes from the program to
the worker processes but the tagger's name, its path and its state.
"""

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.text import sources

MOST_TAGS = 256
NO_TAG = "_"  # Of id 0: special tokens, padding, what no word covers.


class Tagger(abc.ABC):
  """Finds a document's words and gives each a tag.

  A tag must be a function of the document, the tagger's path and its state
  alone: rows must not depend on which process made them.

  Attributes:
    tag_names: the name of every tag id; `tag_names[0]` is `NO_TAG`. Known once
      `load` was called, at the latest.
    groups: which tags make a group of the table that `prepare` prints; tags of
      no group are shown as "other". Without groups each tag is one.
    files: what it reads besides documents; their hashes are kept with the data.
  """

  tag_names: tuple[str, ...]
  groups: Mapping[str, tuple[str, ...]] = {}
  files: tuple[str, ...] = ()

  def __init__(self, path: str = ""):
    """Checks what can be checked at once; takes less than a second.

    Args:
      path: `config.data.tagger_path`.

    Raises:
      InputError: a path where the tagger takes none, or nothing usable there.
    """
    if path:
      raise errors.InputError(
        f"tagger_path: {path!r}, but this tagger reads no file; it takes ''"
      )

  def fit(
    self, read_documents: Callable[[], Iterable[sources.Document]]
  ) -> dict[str, Any]:
    """Learns from the training documents; most taggers have no need to.

    Args:
      read_documents: gives the training documents, each time it is called.

    Returns:
      JSON values, as small as can be: they are sent to every process.
    """
    del read_documents
    return {}

  def load(self, state: Mapping[str, Any]) -> None:
    """Gets ready to tag; `state` is from `fit`, perhaps in another process."""
    del state

  @abc.abstractmethod
  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    """Tags one document.

    Returns:
      (spans, tags): the words' character spans, int32 [words, 2], ascending and
      disjoint (`words.split` finds them), and the ids of their tags in
      `tag_names`, int32 [words].
    """


class Numbered(Tagger):
  """A tagger with as many tags as its name asks for: NAME:NUMBER.

  Attributes:
    num_tags: how many, besides `NO_TAG`.
  """

  DEFAULT_NUM_TAGS = 4

  def __init__(self, path: str = "", num_tags: int = DEFAULT_NUM_TAGS):
    super().__init__(path)
    if not 2 <= num_tags <= MOST_TAGS:
      raise errors.InputError(
        f"tagger: {num_tags} tags are asked for; it makes 2 to {MOST_TAGS}"
      )
    self.num_tags = num_tags


def arrays(
  spans: Sequence[tuple[int, int]], tags: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
  """What `Tagger.tag` returns, from lists of any length."""
  return np.array(spans, np.int32).reshape(-1, 2), np.array(tags, np.int32)
