"""Taggers of whole documents: where they come from, what they are about.

All words of a document get one tag, so a task is a kind of text. With
`config.tasks.budget = "one_input"` each row then serves the tasks of the
documents that are in it.
"""

import collections
from collections.abc import Callable, Iterable, Mapping
import os
import re
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import tagger
from taskrobust_jax.data.text import sources, words

_SAMPLE = 20_000  # Documents that clusters are found in.
_VOCABULARY = 2_000
_TERM = re.compile(r"[^\W\d_]{3,}")


class Domain(tagger.Tagger):
  """The folder of a document's file; the file, if all lie in one folder."""

  def fit(
    self, read_documents: Callable[[], Iterable[sources.Document]]
  ) -> dict[str, Any]:
    files = {_file(document) for document in read_documents()}
    by_folder = len({os.path.dirname(file) for file in files}) > 1
    folder_of = {}
    for folder in sorted({os.path.dirname(file) for file in files}):
      other = folder_of.setdefault(os.path.basename(folder), folder)
      if other != folder:
        raise errors.InputError(
          f"tagger: 'domain' names tasks by folders, and {other} and {folder} "
          "have one name"
        )
    names = sorted({_domain(file, by_folder) for file in files})
    if not 2 <= len(names) <= tagger.MOST_TAGS:
      raise errors.InputError(
        f"tagger: 'domain' finds {len(names)} folders or files in the training "
        f"text; it takes 2 to {tagger.MOST_TAGS}"
      )
    return {"by_folder": by_folder, "names": names}

  def load(self, state: Mapping[str, Any]) -> None:
    self._by_folder = state["by_folder"]
    self.tag_names = (tagger.NO_TAG, *state["names"])
    self._ids = {name: i for i, name in enumerate(self.tag_names)}

  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    # Held-out text may come from elsewhere: no task's.
    name = _domain(_file(document), self._by_folder)
    return _all_words(document, self._ids.get(name, 0))


class TfidfCluster(tagger.Numbered):
  """The cluster of a document's tf-idf vector, by k-means.

  Clusters are found in 20,000 training documents, over the 2,000 commonest
  words that are in less than half of them, and named by their three strongest
  words.
  """

  def fit(
    self, read_documents: Callable[[], Iterable[sources.Document]]
  ) -> dict[str, Any]:
    # Imported here since it takes seconds.
    from sklearn import cluster
    from sklearn.feature_extraction import text as sklearn_text

    sample = _reservoir(read_documents())
    if len(sample) < self.num_tags:
      raise errors.InputError(
        f"tagger: 'tfidf_cluster:{self.num_tags}' needs as many training "
        f"documents, got {len(sample)}"
      )
    vectorizer = sklearn_text.TfidfVectorizer(
      analyzer=_terms, max_df=0.5, max_features=_VOCABULARY
    )
    try:
      vectors = vectorizer.fit_transform(sample)
    except ValueError as error:
      raise errors.InputError(
        "tagger: 'tfidf_cluster' finds no word that is in some training "
        f"documents and not in others: {error}"
      ) from error
    means = cluster.KMeans(self.num_tags, n_init=4, random_state=0).fit(vectors)
    centres = means.cluster_centers_
    terms = vectorizer.get_feature_names_out()
    # In the order of their names, for k-means numbers them at random.
    names = [
      "_".join(terms[i] for i in np.argsort(-centre, kind="stable")[:3])
      for centre in centres
    ]
    order = np.argsort(names, kind="stable")
    return {
      "names": [names[i] for i in order],
      "terms": terms.tolist(),
      "idf": vectorizer.idf_.round(6).tolist(),
      "centres": centres[order].round(6).tolist(),
    }

  def load(self, state: Mapping[str, Any]) -> None:
    seen, names = collections.Counter(state["names"]), []
    for index, name in enumerate(state["names"], 1):
      names.append(name if seen[name] == 1 else f"{name}_{index}")
    self.tag_names = (tagger.NO_TAG, *names)
    self._index = {term: i for i, term in enumerate(state["terms"])}
    self._idf = np.array(state["idf"])
    self._centres = np.array(state["centres"])
    self._half_squares = 0.5 * (self._centres**2).sum(1)

  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    vector = np.zeros(len(self._idf))
    for term in _terms(document.text):
      if (index := self._index.get(term)) is not None:
        vector[index] += self._idf[index]
    if (norm := np.linalg.norm(vector)) > 0:
      vector /= norm
    # The nearest centre: |x - c|^2 / 2 but for a constant.
    distance = self._half_squares - self._centres @ vector
    return _all_words(document, 1 + int(distance.argmin()))


def _all_words(document, tag) -> tuple[np.ndarray, np.ndarray]:
  spans = words.spans(document.text)
  return tagger.arrays(spans, [tag] * len(spans))


def _file(document: sources.Document) -> str:
  return re.sub(r":\d+$", "", document.name)


def _domain(file: str, by_folder: bool) -> str:
  if by_folder:
    return os.path.basename(os.path.dirname(file)) or "."
  name = os.path.basename(file)
  return re.sub(r"(\.[A-Za-z]+)+$", "", name) or name


def _terms(characters: str) -> list[str]:
  return _TERM.findall(characters.lower())


def _reservoir(documents: Iterable[sources.Document]) -> list[str]:
  """The texts of a random sample, the same for the same documents."""
  random, sample = np.random.default_rng(0), []
  for index, document in enumerate(documents):
    if len(sample) < _SAMPLE:
      sample.append(document.text)
    elif (place := int(random.integers(index + 1))) < _SAMPLE:
      sample[place] = document.text
  return sample
