"""One crop and one flip for all that is known of a picture.

An example is a dict. Its pictures are `rgb` uint8 [H, W, 3], `depth` float32
[H, W], `normals` float32 [H, W, 3] (x right, y down, z ahead) and `semseg`
[H, W] of any integers; it has some of these, all of one height and width.
Whatever else it has (a label, flags) is handed on as it is.

Colours are resized with a triangle filter as wide as it takes to see every
pixel; the others by the nearest pixel, since the mean of two labels is a third
one, the mean of two depths lies in the air, and missing values stay missing.
Depth and normals keep their values though a crop stretches the picture.
"""

from collections.abc import Mapping, Sequence
import math
from typing import Any, NamedTuple

import numpy as np

from taskrobust_jax import errors

PICTURES = ("rgb", "depth", "normals", "semseg")
_TRIES = 10


class Box(NamedTuple):
  """A part of a picture, in pixels."""

  top: int
  left: int
  height: int
  width: int


def random_crop(
  key: Sequence[int],
  example: Mapping[str, Any],
  size: int,
  *,
  scale: tuple[float, float] = (0.2, 1.0),
  ratio: tuple[float, float] = (3 / 4, 4 / 3),
  flip: float = 0.5,
) -> dict[str, Any]:
  """A random part of a picture, resized to a square, perhaps mirrored.

  The part's share of the area is uniform, its ratio of width to height is
  log-uniform, its place is uniform, as in "Inception-style" crops.

  Args:
    key: integers from 0, such as (seed, step, row): equal ones give an equal
      crop.
    example: as the module says.
    size: height and width of the result, at least 1.
    scale: smallest and largest share of the area, above 0, at most 1.
    ratio: smallest and largest width / height.
    flip: probability of the mirror image, 0 to 1.

  Returns:
    The example with its pictures cropped.

  Raises:
    InputError: no picture, pictures that differ in size, or an argument out of
      its range.
  """
  low, high = scale
  if not 0 < low <= high <= 1:
    raise errors.InputError(f"scale: {scale} is not 0 < low <= high <= 1")
  if not 0 < ratio[0] <= ratio[1]:
    raise errors.InputError(f"ratio: {ratio} is not 0 < low <= high")
  if not 0 <= flip <= 1:
    raise errors.InputError(f"flip: {flip} is not in 0 to 1")
  height, width = shape_of(example)
  seed = np.random.SeedSequence([int(i) for i in key])
  draws = np.random.Generator(np.random.Philox(seed)).random(4 * _TRIES + 1)
  box = _random_box(draws[1:], height, width, scale, ratio)
  return crop(example, box, (size, size), is_flipped=draws[0] < flip)


def fit(example: Mapping[str, Any], shape: tuple[int, int]) -> dict[str, Any]:
  """The largest middle part of a picture that has a shape, resized to it.

  Args:
    example: as the module says.
    shape: height and width of the result.

  Returns:
    The example with its pictures cropped; the same where nothing is to do.

  Raises:
    InputError: as for `random_crop`.
  """
  height, width = shape_of(example)
  if (height, width) == tuple(shape):
    return dict(example)
  wide = shape[1] / shape[0]
  part_width = min(width, max(1, round(height * wide)))
  part_height = min(height, max(1, round(width / wide)))
  top, left = (height - part_height) // 2, (width - part_width) // 2
  return crop(example, Box(top, left, part_height, part_width), shape)


def crop(
  example: Mapping[str, Any],
  box: Box,
  shape: tuple[int, int],
  *,
  is_flipped: bool = False,
) -> dict[str, Any]:
  """A part of a picture, resized, all modalities alike.

  Args:
    example: as the module says.
    box: the part, inside of the picture.
    shape: height and width of the result, at least 1.
    is_flipped: whether left and right change places. A normal's x changes its
      sign with it.

  Returns:
    The example with its pictures cropped.

  Raises:
    InputError: as for `random_crop`.
  """
  from PIL import Image

  if min(shape) < 1:
    raise errors.InputError(f"size: {tuple(shape)} is not at least 1")
  shape_of(example)
  rows = _nearest(box.top, box.height, shape[0])
  columns = _nearest(box.left, box.width, shape[1])
  if is_flipped:
    columns = columns[::-1]
  result = dict(example)
  for name in PICTURES:
    if name not in example:
      continue
    values = np.asarray(example[name])
    if name == "rgb":
      if (box.height, box.width) != tuple(shape):
        part = values[
          box.top : box.top + box.height, box.left : box.left + box.width
        ]
        image = Image.fromarray(np.ascontiguousarray(part))
        image = image.resize(tuple(shape[::-1]), Image.Resampling.BILINEAR)
        part = np.asarray(image)
        result[name] = part[:, ::-1] if is_flipped else part
        continue
      # Nothing to resize: the nearest pixel is the pixel.
    result[name] = values.take(rows, axis=0).take(columns, axis=1)
    if name == "normals" and is_flipped:
      result[name][..., 0] *= -1
  return result


def random_crops(
  keys: Sequence[Sequence[int]],
  batch: Mapping[str, np.ndarray],
  size: int,
  **arguments: Any,
) -> dict[str, np.ndarray]:
  """`random_crop` of every row of a batch.

  Args:
    keys: a key for each of n rows.
    batch: arrays [n, ...]; a row's are its example.
    size: as for `random_crop`.
    **arguments: of `random_crop`.

  Returns:
    The batch with its pictures cropped.

  Raises:
    InputError: as for `random_crop`, or n differs.
  """
  rows = _rows(batch)
  if len(keys) != len(rows):
    raise errors.InputError(f"keys: {len(keys)} for {len(rows)} rows")
  pairs = zip(keys, rows, strict=True)
  return _stack([random_crop(k, row, size, **arguments) for k, row in pairs])


def shape_of(example: Mapping[str, Any]) -> tuple[int, int]:
  """Height and width of an example's pictures.

  Raises:
    InputError: it has none, or they differ.
  """
  shapes = {n: np.shape(example[n])[:2] for n in PICTURES if n in example}
  if not shapes:
    raise errors.InputError(
      f"the example has {sorted(example)}; one of {PICTURES} is needed"
    )
  if len(set(shapes.values())) > 1:
    raise errors.InputError(
      f"the example's pictures differ in height and width: {shapes}"
    )
  return next(iter(shapes.values()))


def _random_box(draws, height, width, scale, ratio):
  for tries in range(_TRIES):
    share, stretch, y, x = draws[4 * tries : 4 * tries + 4].tolist()
    area = height * width * (scale[0] + (scale[1] - scale[0]) * share)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    wide = math.exp(low + (high - low) * stretch)
    part_width = round(math.sqrt(area * wide))
    part_height = round(math.sqrt(area / wide))
    if 0 < part_width <= width and 0 < part_height <= height:
      top = int(y * (height - part_height + 1))
      left = int(x * (width - part_width + 1))
      return Box(top, left, part_height, part_width)
  # As much as there is, within the ratios.
  wide = min(max(width / height, ratio[0]), ratio[1])
  part_width = min(width, max(1, round(height * wide)))
  part_height = min(height, max(1, round(width / wide)))
  top, left = (height - part_height) // 2, (width - part_width) // 2
  return Box(top, left, part_height, part_width)


def _nearest(first, count, size):
  """The pixels of `count` from `first` that are nearest to `size` places."""
  return first + ((2 * np.arange(size) + 1) * count) // (2 * size)


def _rows(batch):
  counts = {name: len(values) for name, values in batch.items()}
  if len(set(counts.values())) != 1:
    raise errors.InputError(f"batch: arrays of differing length: {counts}")
  count = next(iter(counts.values()))
  return [{n: values[i] for n, values in batch.items()} for i in range(count)]


def _stack(examples):
  return {n: np.stack([e[n] for e in examples]) for n in examples[0]}
