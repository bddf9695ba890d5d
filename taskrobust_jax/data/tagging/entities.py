"""Gold named entities as tags, where a CoNLL-U file has them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import tagger
from taskrobust_jax.data.text import conllu, sources


class NamedEntity(tagger.Tagger):
  """The type of the entity that a word is part of; O for all other words."""

  def fit(
    self, read_documents: Callable[[], Iterable[sources.Document]]
  ) -> dict[str, Any]:
    types, has_any = set(), False
    for document in read_documents():
      if document.entities is not None:
        has_any = True
        types.update(document.entities)
    if not has_any:
      raise errors.InputError(
        "tagger: 'named_entity', but no training document has entity tags; the "
        "source conllu has them where column 10 says ner=B-PER or the like"
      )
    return {"types": sorted(types - {conllu.NO_ENTITY})}

  def load(self, state: Mapping[str, Any]) -> None:
    self.tag_names = (tagger.NO_TAG, conllu.NO_ENTITY, *state["types"])
    self._ids = {name: i for i, name in enumerate(self.tag_names)}

  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    if document.words is None:
      raise errors.InputError(
        f"tagger: 'named_entity', but {document.name} has no gold words; only "
        "the source conllu has them"
      )
    entities = document.entities
    if entities is None:
      entities = (conllu.NO_ENTITY,) * len(document.words)
    # A type that training has not is no task's.
    return tagger.arrays(
      document.words, [self._ids.get(name, 0) for name in entities]
    )
