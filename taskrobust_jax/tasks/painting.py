"""Targets of the modalities as pictures to look at."""

import jax.numpy as jnp
import numpy as np

from taskrobust_jax.models.patches import from_patches
from taskrobust_jax.tasks.modalities import SEMSEG_STRIDE

_UNKNOWN = 0.8  # A grey.
_CELL = 16  # Pixels of a HOG cell's picture.
_BINS = 9
# Okabe and Ito's colours, told apart by colour-blind readers.
_CLASS_COLOURS = np.array(
  [
    *([0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115]),
    *([240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]),
  ]
)


def paint(
  name: str,
  values: np.ndarray,
  is_known: np.ndarray,
  like: np.ndarray,
  patch: int,
) -> np.ndarray:
  """Paints one example's values of a modality.

  RGB and normals are their own colours; edges and depth are grey (near is
  light), in the range of `like`; a HOG cell is a star of strokes along its
  edges; beyond eight classes colours come again. What is unknown is grey.

  Args:
    name: Of the modality.
    values: [N, P], as `Target.values`; N is a square number. RGB is in [0, 1].
    is_known: [N, P] bool.
    like: [N, P], the true values.
    patch: Pixels on a side.

  Returns:
    [H, H, 3] f32 in [0, 1]; H differs among modalities.
  """
  side = {"hog": patch // 8, "semseg": patch // SEMSEG_STRIDE}.get(name, patch)
  num_rows = round(len(values) ** 0.5)
  image, mask = (
    np.asarray(from_patches(jnp.asarray(x[None]), side, num_rows))[0]
    for x in (values, is_known)
  )
  if name == "semseg":
    image = _CLASS_COLOURS[image[..., 0] % len(_CLASS_COLOURS)] / 255
  elif name == "normals":
    length = np.linalg.norm(image, axis=-1, keepdims=True)
    image = (image / np.maximum(length, 1e-6) + 1) / 2
  elif name in ("depth", "edges"):
    # The farthest depths are many times the others.
    ends = (1, 85) if name == "depth" else (1, 99)
    low, high = np.percentile(like[is_known], ends)
    image = (image - low) / max(high - low, 1e-6)
    image = 1 - image if name == "depth" else image
  elif name == "hog":
    image = _strokes(image)
  image = np.broadcast_to(np.clip(image, 0, 1), (*image.shape[:2], 3))
  mask = _spread(mask.any(-1), len(image))
  return np.where(mask[..., None], image, _UNKNOWN).astype(np.float32)


def replace_patches(
  picture: np.ndarray, which: np.ndarray, other: np.ndarray | float
) -> np.ndarray:
  """A picture [H, H, 3] with some patches, [N] bool, from another one."""
  num_rows = round(len(which) ** 0.5)
  mask = _spread(which.reshape(num_rows, num_rows), len(picture))
  return np.where(mask[..., None], other, picture).astype(np.float32)


def _spread(values, size):
  """[h, h] to [size, size], each value a square of pixels."""
  times = size // len(values)
  return values.repeat(times, 0).repeat(times, 1)


def _strokes(cells):
  """[h, w, channels * bins] to [16 h, 16 w, 1]."""
  height, width, _ = cells.shape
  histogram = cells.reshape(height, width, -1, _BINS).mean(2)
  place = np.arange(_CELL) - (_CELL - 1) / 2
  # Of a gradient: gx over its length is the sine. An edge runs across it.
  angle = ((np.arange(_BINS) + 0.5) * np.pi / _BINS)[:, None, None]
  distance = np.abs(place * np.sin(angle) + place[:, None] * np.cos(angle))
  strokes = np.clip(1.2 - distance, 0, 1)
  strokes *= np.hypot(place, place[:, None]) < _CELL / 2
  drawn = (histogram[..., None, None] * strokes).max(2)
  return drawn.swapaxes(1, 2).reshape(height * _CELL, width * _CELL, 1)
