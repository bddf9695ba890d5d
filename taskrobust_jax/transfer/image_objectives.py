"""Objectives of pictures: classes of pictures and of pixels, depth, normals.

Scores of pixels are kept as sums for each picture, and are those of all pixels
of a split together.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.transfer.objectives import Classification
from taskrobust_jax.transfer.task import Arrays

# Rows that `image_mixing` made have them.
OTHER_LABEL, SHARE = "other_label", "share"

_SMALLEST_DEPTH = 1e-3  # Metres; a prediction is no less.
_CLOSE = 1.25  # Ratio of depths.
_BERHU_SHARE = 0.2
_NEAR = (11.25, 22.5, 30.0)  # Degrees between normals.


@dataclasses.dataclass(frozen=True)
class MixedClassification(Classification):
  """`Classification` of pictures that may be mixed of two.

  Where rows have "share", s [B], and "other_label" [B], the loss is that of
  "label" times s and that of the other times 1 - s.
  """

  def losses(
    self, outputs: jax.Array, rows: Arrays
  ) -> tuple[jax.Array, jax.Array]:
    sums, counts = super().losses(outputs, rows)
    if SHARE not in rows:
      return sums, counts
    others = super().losses(outputs, {"label": rows[OTHER_LABEL]})
    mix = lambda one, other: rows[SHARE] * one + (1 - rows[SHARE]) * other
    return mix(sums, others[0]), mix(counts, others[1])


@dataclasses.dataclass(frozen=True)
class Segmentation(Classification):
  """Cross-entropy of each pixel, judged by the mean IoU of classes.

    IoU_c = right_c / (predicted_c + true_c - right_c)

  Pixels without a label count for nothing, a class that is neither predicted
  nor true in a split is left out.

  Attributes:
    num_classes: C.
  """

  score_names: tuple[str, ...] = ("miou",)
  num_classes: int = 0

  def keep(self, outputs: jax.Array, rows: Arrays) -> tuple[jax.Array]:
    """[B, 3, C] f32: pixels that are right, predicted, true, a class."""
    labels = rows["label"]
    seen = outputs.argmax(-1)
    is_target = labels >= 0

    def count(classes, counts):
      return jnp.zeros(self.num_classes).at[classes].add(counts)

    def counts(seen, label, is_target):
      label = jnp.maximum(label, 0)
      return jnp.stack(
        [
          count(label, is_target & (seen == label)),
          count(seen, is_target),
          count(label, is_target),
        ]
      )

    return (jax.vmap(counts)(seen, labels, is_target),)

  def scores(self, counts: np.ndarray) -> dict[str, float]:
    right, predicted, true = counts.sum(0, dtype=np.float64)
    _check_known(true.sum())
    union = predicted + true - right
    is_there = union > 0
    return {
      "miou": float((right[is_there] / union[is_there]).mean()),
      "pixel_accuracy": float(right.sum() / true.sum()),
    }


@dataclasses.dataclass(frozen=True)
class Depth:
  """Depth in metres of each pixel, by the reversed Huber (berHu) loss.

    |e|                     where |e| <= c
    (e^2 + c^2) / (2 c)     elsewhere,       c = max |e| / 5

  over known pixels, e in standard deviations of the training depths. Laina et
  al. (2016); c is that of a picture here, of a batch there.

  Judged over all known pixels by d1, the share of pixels whose ratio to the
  truth is below 1.25 either way; RMSE and absolute relative error are told too.

  Rows have "label", f32 [B, H, W], metres above 0 or NaN. Outputs are
  [B, H, W, 1].

  Attributes:
    mean: Of known training depths.
    deviation: Of them, > 0.
  """

  mean: float
  deviation: float

  score_name = "d1"

  def losses(
    self, outputs: jax.Array, rows: Arrays
  ) -> tuple[jax.Array, jax.Array]:
    label = rows["label"]
    is_known = jnp.isfinite(label)
    wanted = (
      jnp.where(is_known, label, self.mean) - self.mean
    ) / self.deviation
    error = jnp.where(is_known, jnp.abs(outputs[..., 0] - wanted), 0.0)
    losses = berhu(error)
    return losses.sum((1, 2)), is_known.sum((1, 2), dtype=jnp.float32)

  def keep(self, outputs: jax.Array, rows: Arrays) -> tuple[jax.Array]:
    """[B, 4] f32: known pixels, close ones, sums of e^2 and of |e| / truth."""
    label = rows["label"]
    is_known = jnp.isfinite(label)
    true = jnp.where(is_known, label, 1.0)
    seen = outputs[..., 0] * self.deviation + self.mean
    seen = jnp.maximum(seen, _SMALLEST_DEPTH)
    error = seen - true
    values = (
      jnp.ones_like(true),
      jnp.maximum(seen / true, true / seen) < _CLOSE,
      error**2,
      jnp.abs(error) / true,
    )
    sums = [jnp.where(is_known, value, 0).sum((1, 2)) for value in values]
    return (jnp.stack(sums, -1).astype(jnp.float32),)

  def scores(self, sums: np.ndarray) -> dict[str, float]:
    known, close, squares, relative = sums.sum(0, dtype=np.float64)
    _check_known(known)
    return {
      "d1": float(close / known),
      "rmse": float(np.sqrt(squares / known)),
      "abs_rel": float(relative / known),
    }


@dataclasses.dataclass(frozen=True)
class Normals:
  """The direction that the surface in each pixel faces, by 1 - cosine.

  Judged over all known pixels by the share whose angle to the truth is below
  11.25 degrees; the shares below 22.5 and 30 and the mean angle are told too.
  Eigen and Fergus (2015).

  Rows have "label", f32 [B, H, W, 3], unit vectors or NaN. Outputs are
  [B, H, W, 3], of any length.
  """

  score_name = "within_11_25"

  def losses(
    self, outputs: jax.Array, rows: Arrays
  ) -> tuple[jax.Array, jax.Array]:
    cosine, is_known = _cosines(outputs, rows["label"])
    sums = jnp.where(is_known, 1 - cosine, 0.0).sum((1, 2))
    return sums, is_known.sum((1, 2), dtype=jnp.float32)

  def keep(self, outputs: jax.Array, rows: Arrays) -> tuple[jax.Array]:
    """[B, 5] f32: known pixels, near ones by 3 limits, sum of degrees."""
    cosine, is_known = _cosines(outputs, rows["label"])
    angle = jnp.rad2deg(jnp.arccos(jnp.clip(cosine, -1, 1)))
    near = [angle < limit for limit in _NEAR]
    values = (jnp.ones_like(angle), *near, angle)
    sums = [jnp.where(is_known, value, 0).sum((1, 2)) for value in values]
    return (jnp.stack(sums, -1).astype(jnp.float32),)

  def scores(self, sums: np.ndarray) -> dict[str, float]:
    known, *near, angle = sums.sum(0, dtype=np.float64)
    _check_known(known)
    names = (self.score_name, "within_22_5", "within_30")
    return {
      **{n: float(x / known) for n, x in zip(names, near, strict=True)},
      "mean_angle": float(angle / known),
    }


def _cosines(
  outputs: jax.Array, label: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """([B, H, W] cosines to the truth, whether that is known)."""
  is_known = jnp.isfinite(label).all(-1)
  true = jnp.where(is_known[..., None], label, 0.0)
  length = jnp.sqrt((outputs**2).sum(-1) + 1e-12)
  return (outputs * true).sum(-1) / length, is_known


def berhu(error: jax.Array) -> jax.Array:
  """The reversed Huber loss of absolute errors [B, H, W], see `Depth`."""
  threshold = _BERHU_SHARE * jax.lax.stop_gradient(
    error.max((1, 2), keepdims=True)
  )
  threshold = jnp.maximum(threshold, 1e-6)  # Of a picture that has no error.
  far = (error**2 + threshold**2) / (2 * threshold)
  return jnp.where(error <= threshold, error, far)


def _check_known(count: float) -> None:
  if not count:
    raise InputError(
      "there is nothing to judge by: of a part of the held-out pictures no "
      "pixel has a label"
    )
