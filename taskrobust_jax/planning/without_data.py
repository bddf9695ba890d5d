"""A dataset that has a config's shapes and no rows."""

from collections.abc import Sequence
import types
from typing import Any

from ml_collections import ConfigDict
import numpy as np

from taskrobust_jax.data.pictures import scene_dataset
from taskrobust_jax.data.tagging import taggers
from taskrobust_jax.data.tagging.part_of_speech import TAG_NAMES
from taskrobust_jax.data.tagging.tagger import Numbered
from taskrobust_jax.data.text import packing, vocabulary

# A million rows: what a schedule or an order asks for.
_NUM_ROWS = 2**20


class _NoRows:
  """Zeros in the place of rows of text."""

  def __init__(self, row_length: int):
    self._row_length = row_length

  def __len__(self) -> int:
    return _NUM_ROWS

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    shape = (len(indices), self._row_length)
    return {name: np.zeros(shape, np.int32) for name in packing.FEATURES}


class _Text:
  """What `data.text.records.Dataset` has."""

  def __init__(self, info: types.SimpleNamespace):
    self.info = info

  def split(self, name: str) -> _NoRows:
    del name
    return _NoRows(self.info.row_length)


def dataset_of(config: ConfigDict) -> Any:
  """Stands in for the dataset that a config would be trained on.

  Args:
    config: `data` is read: of text `vocabulary_size` and `row_length`, of
      pictures `image_size`, whose classes are those of the scenes.

  Returns:
    What `build` takes; its digest says that it is none.
  """
  if config.tasks.kind == "masked_image":
    rows = dict.fromkeys(("train", "eval"), _NUM_ROWS)
    return scene_dataset.SceneDataset(0, rows, config.data.image_size)
  groups = config.tasks.groups.to_dict()
  # Tags of other taggers than those of grammar have no names without data.
  _, number = taggers.check(config.data.tagger)
  count = number[0] if number else Numbered.DEFAULT_NUM_TAGS
  tags = TAG_NAMES if groups else ("_", *(f"tag_{k}" for k in range(count)))
  return _Text(
    types.SimpleNamespace(
      vocabulary_size=config.data.vocabulary_size,
      row_length=config.data.row_length,
      tag_names=tags,
      tag_counts={"train": dict.fromkeys(tags[1:], 1)},
      special_token_ids={
        name: i for i, name in enumerate(vocabulary.SPECIAL_TOKENS)
      },
      digest="none",
    )
  )
