"""Taggers by quantile: how frequent a word is, how long its sentence."""

import bisect
import collections
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import tagger
from taskrobust_jax.data.text import sources, words

# Counted at once; beyond, the rarest half is forgotten. 0.5 GB.
_MOST_WORDS = 1 << 22


class WordFrequency(tagger.Numbered):
  """How frequent a word is in the training text, in quantiles of its words.

  frequency_1 is the most frequent words, which together make 1 / n of the text,
  frequency_n the rarest and those that training has not. Case does not count.
  """

  def fit(
    self, read_documents: Callable[[], Iterable[sources.Document]]
  ) -> dict[str, Any]:
    counts = collections.Counter()
    for document in read_documents():
      counts.update(_forms(document))
      if len(counts) > _MOST_WORDS:
        counts = collections.Counter(dict(counts.most_common(_MOST_WORDS // 2)))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    total, before, tags = counts.total(), 0, {}
    for word, count in ordered:
      tag = before * self.num_tags // total
      if tag == self.num_tags - 1:
        break  # The rest needs no entry.
      tags[word] = tag + 1
      before += count
    return {"tags": tags}

  def load(self, state: Mapping[str, Any]) -> None:
    self._tags = state["tags"]
    self.tag_names = (
      tagger.NO_TAG,
      *(f"frequency_{i}" for i in range(1, self.num_tags + 1)),
    )

  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    rarest = self.num_tags
    tags = [self._tags.get(word, rarest) for word in _forms(document)]
    return tagger.arrays(words.spans(document.text), tags)


class SentenceLength(tagger.Numbered):
  """The words of a word's sentence, in quantiles of the text's words.

  Tags are named by their range, as 1_to_12_words. Where lengths are too alike
  for n quantiles there are fewer.
  """

  def fit(
    self, read_documents: Callable[[], Iterable[sources.Document]]
  ) -> dict[str, Any]:
    counts = collections.Counter()
    for document in read_documents():
      for sentence in words.split(document.text):
        counts[len(sentence)] += len(sentence)
    total, before, reached, last = counts.total(), 0, 0, []
    for length in sorted(counts):
      before += counts[length]
      # One length may fill several quantiles: they are one then.
      if before * self.num_tags // total > reached:
        last.append(length)
        reached = before * self.num_tags // total
    if len(last) < 2:
      raise errors.InputError(
        f"tagger: 'sentence_length' finds no {self.num_tags} quantiles: nearly "
        f"all words stand in sentences of {last[0] if last else 0} words"
      )
    # The longest sentence is no bound: held-out ones may be longer.
    return {"last": last[:-1]}

  def load(self, state: Mapping[str, Any]) -> None:
    self._last = state["last"]
    starts = [1, *(length + 1 for length in self._last)]
    names = [
      f"{a}_to_{b}_words" for a, b in zip(starts, self._last, strict=False)
    ]
    self.tag_names = (
      tagger.NO_TAG,
      *names,
      f"{starts[-1]}_words_or_more",
    )

  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    spans, tags = [], []
    for sentence in words.split(document.text):
      spans += sentence
      tag = 1 + bisect.bisect_left(self._last, len(sentence))
      tags += [tag] * len(sentence)
    return tagger.arrays(spans, tags)


def _forms(document: sources.Document) -> list[str]:
  characters = document.text
  return [characters[a:b].lower() for a, b in words.spans(characters)]
