"""Labelled pictures as rows.

rgb     [n, H, W, 3] uint8
label   [n] int32, of pictures; or [n, H, W] int32, of pixels, both `IGNORED`
        where there is none; or [n, H, W] f32 metres or [n, H, W, 3] f32 unit
        normals, NaN where unknown
"""

from collections.abc import Sequence
import hashlib
import json
from typing import Any

import numpy as np

from taskrobust_jax.data.pictures import crops
from taskrobust_jax.data.pictures.image_examples import Source
from taskrobust_jax.errors import InputError
from taskrobust_jax.transfer.objectives import IGNORED

CLASSES, SEGMENTATION, DEPTH, NORMALS = TARGETS = (
  *("classes", "segmentation", "depth", "normals"),
)
# The feature of an example that becomes a row's label.
_FEATURES = {
  CLASSES: "label",
  SEGMENTATION: "semseg",
  DEPTH: "depth",
  NORMALS: "normals",
}
_MOST_KEPT_BYTES = 2**31


class PictureRows:
  """Examples of a source, cut to squares of one size.

  A picture's largest middle square is taken. Rows are kept once they were read,
  unless a split of them would take more than 2 GiB.

  Attributes:
    source: The examples.
    num_classes: Labels are below it; 0 for depth and normals.
  """

  def __init__(self, source: Source, target: str, size: int):
    """Takes the examples.

    Args:
      source: They.
      target: One of `TARGETS`.
      size: H = W.

    Raises:
      InputError: If they have no such target.
    """
    names = {CLASSES: source.label_names, SEGMENTATION: source.class_names}
    has_target = names.get(target, target in source.modalities)
    if not has_target:
      raise InputError(
        f"{source.place} has no {target}: it has the pictures "
        f"{', '.join(source.modalities)}, {len(source.class_names)} classes of "
        f"pixels and {len(source.label_names)} of pictures"
      )
    self.source, self._target, self._size = source, target, size
    self.num_classes = len(names.get(target, ()))
    self._kept: dict[str, np.ndarray] = {}
    self._is_kept = np.zeros(len(source), bool)

  def __len__(self) -> int:
    return len(self.source)

  def read(self, indices: Sequence[int]) -> dict[str, np.ndarray]:
    """Reads rows.

    Raises:
      InputError: If a picture is damaged or has no RGB, or a label is not one
        of the classes.
    """
    indices = np.asarray(indices)
    fresh = [int(i) for i in np.unique(indices[~self._is_kept[indices]])]
    rows = {i: self._row(i) for i in fresh}
    if rows and not self._kept and self._fits(rows[fresh[0]]):
      self._kept = {
        name: np.empty((len(self), *value.shape), value.dtype)
        for name, value in rows[fresh[0]].items()
      }
    if not self._kept:
      chosen = [rows[int(i)] for i in indices]
      return {n: np.stack([row[n] for row in chosen]) for n in ("rgb", "label")}
    for i, row in rows.items():
      for name, value in row.items():
        self._kept[name][i] = value
      self._is_kept[i] = True
    return {name: values[indices] for name, values in self._kept.items()}

  def classes(self) -> np.ndarray | None:
    """[n] int64, the class of each picture, if the source tells it unread."""
    labels = getattr(self.source, "labels", None)
    return None if labels is None else np.asarray(labels)

  def _row(self, index: int) -> dict[str, np.ndarray]:
    example = self.source.read(index)
    if "rgb" not in example:
      raise InputError(f"{self.source.place}: example {index} has no rgb")
    example = crops.fit(example, (self._size, self._size))
    label = example.get(_FEATURES[self._target])
    if self._target == DEPTH:
      if label is None:
        label = np.full(example["rgb"].shape[:2], np.nan)
      label = np.asarray(label, np.float32)
      label = np.where(np.isfinite(label) & (label > 0), label, np.nan)
    elif self._target == NORMALS:
      if label is None:
        label = np.zeros(example["rgb"].shape)
      label = np.asarray(label, np.float32)
      length = np.linalg.norm(label, axis=-1, keepdims=True)
      label = np.where(length > 0.5, label / np.maximum(length, 0.5), np.nan)
    else:
      if label is None:
        is_pixels = self._target == SEGMENTATION
        shape = example["rgb"].shape[:2] if is_pixels else ()
        label = np.full(shape, IGNORED)
      label = np.asarray(label, np.int32)
      low, high = label.min(), label.max()
      if low < IGNORED or high >= self.num_classes:
        raise InputError(
          f"{self.source.place}: example {index} has labels from {low} to "
          f"{high}; legal are {IGNORED} (none) to {self.num_classes - 1}"
        )
    return {"rgb": np.asarray(example["rgb"]), "label": label}

  def _fits(self, row: dict[str, np.ndarray]) -> bool:
    size = sum(value.nbytes for value in row.values())
    return size * len(self) <= _MOST_KEPT_BYTES


def some_known(rows: PictureRows, count: int) -> np.ndarray:
  """Known labels of up to `count` rows, evenly spaced; [n].

  Raises:
    InputError: If there is none.
  """
  places = np.linspace(0, len(rows) - 1, min(count, len(rows)))
  label = rows.read(np.unique(places.round().astype(int)))["label"]
  is_float = np.issubdtype(label.dtype, np.floating)
  known = label[np.isfinite(label) if is_float else label != IGNORED]
  if not known.size:
    raise InputError(
      f"{rows.source.place}: {min(count, len(rows))} of {len(rows)} examples "
      "were looked at, and nothing of their labels is known"
    )
  return known


def digest(target: str, size: int, *splits: PictureRows) -> str:
  """Of what rows are made from: files by name and size, and not by content."""
  parts: list[Any] = [target, size]
  parts += [[len(rows), rows.source.fingerprint()] for rows in splits]
  return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
