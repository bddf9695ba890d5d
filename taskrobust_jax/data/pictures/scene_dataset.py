"""`scenes` as a dataset: rendered when they are asked for, no files.

It has what `image_records.Dataset` has where training looks. A picture takes a
core 5 to 7 ms at 96 px: who reads many epochs writes them to disk first, by
`image_preparation.prepare` of `SceneExamples`.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
import json
from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data import stored
from taskrobust_jax.data.pictures import (
  crops,
  image_records,
  scene_sampling,
  scenes,
)

MAX_ROWS = scene_sampling.MAX_INDEX // 2
# The scenes of "eval" begin where those of "train" never come.
_FIRST_INDEX = {"train": 0, "eval": MAX_ROWS}


class SceneExamples:
  """The scenes of a split by index, an `image_examples.Source`.

  Args:
    seed: 0 to 2**32 - 1.
    split: "train" or "eval", which have no scene in common.
    count: how many, 1 to 2**39.
    size: height and width in pixels, 8 to 2,048.

  Raises:
    InputError: an argument out of range.
  """

  modalities = crops.PICTURES
  class_names = scenes.CLASS_NAMES
  label_names = scenes.LABEL_NAMES

  def __init__(self, seed: int, split: str, count: int, size: int):
    stored.check_split(split)
    scene_sampling.check_key(seed, 0)
    scenes.check_size(size)
    if not 1 <= count <= MAX_ROWS:
      raise errors.InputError(f"rows: {split} has {count}; 1 to {MAX_ROWS}")
    self.place = f"scenes, version {scenes.VERSION}, seed {seed}, {size} px"
    self.split, self.size = split, size
    self._seed, self._count = seed, count

  def __len__(self) -> int:
    return self._count

  def fingerprint(self) -> str:
    """All that a scene is a function of."""
    return self.place

  def read(self, index: int) -> dict[str, Any]:
    """Renders a scene: what `scenes.render` returns.

    Raises:
      InputError: an index that is not in 0 to len(self) - 1.
    """
    stored.check_indices([index], self._count, self.split)
    first = _FIRST_INDEX[self.split]
    return scenes.make(self._seed, first + int(index), self.size)


class SceneRows:
  """The same scenes as rows, read as those of `image_records.RowSource`."""

  def __init__(self, examples: SceneExamples):
    self._examples = examples

  def __len__(self) -> int:
    return len(self._examples)

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    """Renders rows; see `image_records.stack`, of which nothing is absent.

    Raises:
      InputError: an index that is not in 0 to len(self) - 1.
    """
    examples = self._examples
    stored.check_indices(indices, len(self), examples.split)
    return image_records.stack(
      [examples.read(index) for index in indices],
      (examples.size, examples.size),
      examples.modalities,
      has_label=True,
    )


@dataclasses.dataclass(frozen=True)
class SceneInfo:
  """What training asks of a dataset; the names are those of `ImageInfo`."""

  height: int
  width: int
  modalities: tuple[str, ...]
  class_names: tuple[str, ...]
  label_names: tuple[str, ...]
  rows: dict[str, int]
  digest: str


class SceneDataset:
  """Scenes of a seed.

  Args:
    seed: 0 to 2**32 - 1.
    rows: how many "train" and "eval" have, 1 to 2**39 each.
    size: height and width in pixels, 8 to 2,048.
    digest: what the caller's config says, or None (or empty) for any.

  Attributes:
    info: its digest is one of the arguments and of `scenes.VERSION`.

  Raises:
    InputError: an argument out of range, or a digest that differs.
  """

  def __init__(
    self,
    seed: int,
    rows: Mapping[str, int],
    size: int,
    *,
    digest: str | None = None,
  ):
    if set(rows) != set(stored.SPLITS):
      raise errors.InputError(f"rows: {sorted(rows)} are not {stored.SPLITS}")
    self._examples = {
      name: SceneExamples(seed, name, rows[name], size)
      for name in stored.SPLITS
    }
    parts = [*("scenes", scenes.VERSION, seed, size), sorted(rows.items())]
    seen = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    stored.check_digest("scenes", digest, seen)
    self.info = SceneInfo(
      height=size,
      width=size,
      modalities=SceneExamples.modalities,
      class_names=SceneExamples.class_names,
      label_names=SceneExamples.label_names,
      rows=dict(rows),
      digest=seen,
    )

  def split(self, name: str) -> SceneRows:
    """The rows of "train" or "eval"; raises InputError for another name."""
    stored.check_split(name)
    return SceneRows(self._examples[name])

  def verify(self) -> str:
    """There is nothing that could be damaged; returns the digest."""
    return self.info.digest
