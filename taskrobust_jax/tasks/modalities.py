"""Modalities: what of an image is shown, what is to be recovered, at what loss.

A modality turns a batch into a target a patch. Values that are unknown (a depth
sensor's holes, unlabelled pixels, a modality that the example does not have)
are no targets.
"""

from collections.abc import Callable, Mapping
import functools
from typing import Any, NamedTuple

from einops import rearrange
import jax
import jax.numpy as jnp
import optax

from taskrobust_jax.models.patches import to_patches
from taskrobust_jax.tasks import image_features

SEMSEG_STRIDE = 4
_TRIMMED = 0.1  # Of the depths of an image, at each end.
_EPSILON = 1e-6


class Target(NamedTuple):
  """What is to be recovered.

  Attributes:
    values: [B, N, P] f32, or int32 classes.
    is_known: [B, N, P] bool.
  """

  values: jax.Array
  is_known: jax.Array


class Modality(NamedTuple):
  """One modality.

  Attributes:
    source: The feature of a batch that it is made from; `has_<source>` [B] bool
      says which examples have it.
    num_values: patch -> values that are shown for, or predicted of, a patch.
    show: (batch, patch) -> [B, N, num_values] f32, as an input.
    target: (batch, patch) -> `Target`.
    loss: (predicted [B, N, num_values], values) -> [B, N, P] f32.
    classes: predicted -> [B, N, P] int32, the likeliest; `None` where values
      are no classes.
  """

  source: str
  num_values: Callable[[int], int]
  show: Callable[[Any, int], jax.Array]
  target: Callable[[Any, int], Target]
  loss: Callable[[jax.Array, jax.Array], jax.Array]
  classes: Callable[[jax.Array], jax.Array] | None = None


def make(
  num_classes: int, normalise_pixels: bool = True
) -> dict[str, Modality]:
  """All modalities by name.

  Args:
    num_classes: Of "semseg".
    normalise_pixels: Whether the targets of "rgb" are standardised a patch, as
      in MAE.

  Returns:
    "rgb", "hog", "edges", "depth", "normals", "semseg".
  """
  feature = functools.partial(_of_rgb, normalise=False)
  return {
    "rgb": Modality(
      "rgb",
      lambda patch: 3 * patch**2,
      lambda batch, patch: to_patches(2 * pixels(batch) - 1, patch),
      functools.partial(
        _of_rgb,
        lambda images, patch: to_patches(images, patch),
        normalise=normalise_pixels,
      ),
      _squared,
    ),
    "hog": Modality(
      "rgb",
      lambda patch: 27 * (patch // 8) ** 2,
      lambda batch, patch: image_features.hog_patches(pixels(batch), patch),
      functools.partial(feature, image_features.hog_patches),
      _squared,
    ),
    "edges": Modality(
      "rgb",
      lambda patch: patch**2,
      lambda batch, patch: _edges(pixels(batch), patch),
      functools.partial(feature, _edges),
      _squared,
    ),
    "depth": Modality(
      "depth",
      lambda patch: patch**2,
      lambda batch, patch: _depth(batch, patch).values,
      _depth,
      lambda predicted, values: jnp.abs(predicted - values),
    ),
    "normals": Modality(
      "normals",
      lambda patch: 3 * patch**2,
      lambda batch, patch: _normals(batch, patch).values,
      _normals,
      _squared,
    ),
    "semseg": Modality(
      "semseg",
      lambda patch: num_classes * (patch // SEMSEG_STRIDE) ** 2,
      functools.partial(_one_hot_classes, num_classes),
      functools.partial(_classes, num_classes),
      functools.partial(_cross_entropy, num_classes),
      lambda predicted: _logits(num_classes, predicted).argmax(-1),
    ),
  }


def pixels(batch: Mapping[str, jax.Array]) -> jax.Array:
  """`rgb` [B, H, W, 3] uint8 as f32 in [0, 1]."""
  return batch["rgb"].astype(jnp.float32) / 255


def standardise_patches(patches: jax.Array) -> jax.Array:
  """Each patch less its mean, over its deviation (unbiased), as MAE does."""
  mean = patches.mean(-1, keepdims=True)
  variance = patches.var(-1, keepdims=True, ddof=1)
  return (patches - mean) / jnp.sqrt(variance + _EPSILON)


def unstandardise_patches(
  patches: jax.Array, batch: Mapping[str, jax.Array], patch: int
) -> jax.Array:
  """The inverse: [B, N, P] standardised pixels in the units of `pixels`."""
  true = to_patches(pixels(batch), patch)
  deviation = jnp.sqrt(true.var(-1, keepdims=True, ddof=1) + _EPSILON)
  return patches * deviation + true.mean(-1, keepdims=True)


def standardise_depth(depth: jax.Array, is_known: jax.Array) -> jax.Array:
  """Depth of one image, less the mean and over the deviation of its middle.

  The nearest and the farthest tenth of the known values do not count for mean
  and deviation, as in MultiMAE.

  Args:
    depth: [H, W] f32.
    is_known: [H, W] bool.

  Returns:
    [H, W] f32, 0 where it is not known.
  """
  ordered = jnp.sort(jnp.where(is_known, depth, jnp.inf).ravel())
  count = is_known.sum()
  place = jnp.arange(ordered.size)
  cut = jnp.floor(_TRIMMED * count)
  counts = (place >= cut) & (place < count - cut)
  ordered = jnp.where(counts, ordered, 0.0)
  num = jnp.maximum(counts.sum(), 1)
  mean = ordered.sum() / num
  squares = jnp.where(counts, (ordered - mean) ** 2, 0.0).sum()
  variance = squares / jnp.maximum(num - 1, 1)
  standard = (depth - mean) / jnp.sqrt(variance + _EPSILON)
  return jnp.where(is_known, standard, 0.0)


def _has(batch, source, shape):
  return jnp.broadcast_to(batch[f"has_{source}"][:, None, None], shape)


def _of_rgb(feature, batch, patch, *, normalise):
  values = feature(pixels(batch), patch)
  if normalise:
    values = standardise_patches(values)
  return Target(values, _has(batch, "rgb", values.shape))


def _edges(images, patch):
  return to_patches(image_features.edges(images), patch)


def _depth(batch, patch):
  depth = batch["depth"].astype(jnp.float32)
  is_known = jnp.isfinite(depth) & batch["has_depth"][:, None, None]
  depth = jax.vmap(standardise_depth)(jnp.where(is_known, depth, 0.0), is_known)
  return Target(
    to_patches(depth[..., None], patch), to_patches(is_known[..., None], patch)
  )


def _normals(batch, patch):
  normals = batch["normals"].astype(jnp.float32)
  is_known = (normals != 0).any(-1, keepdims=True)
  is_known = to_patches(jnp.broadcast_to(is_known, normals.shape), patch)
  values = to_patches(normals, patch)
  return Target(values, is_known & _has(batch, "normals", values.shape))


def _classes(num_classes, batch, patch):
  # The pixel in the middle of each cell.
  half = SEMSEG_STRIDE // 2
  labels = batch["semseg"][:, half::SEMSEG_STRIDE, half::SEMSEG_STRIDE, None]
  values = to_patches(labels.astype(jnp.int32), patch // SEMSEG_STRIDE)
  is_known = (values >= 0) & (values < num_classes)
  is_known &= _has(batch, "semseg", values.shape)
  return Target(jnp.where(is_known, values, 0), is_known)


def _one_hot_classes(num_classes, batch, patch):
  found = _classes(num_classes, batch, patch)
  shown = jax.nn.one_hot(found.values, num_classes)
  shown = jnp.where(found.is_known[..., None], shown, 0.0)
  return rearrange(shown, "b n p c -> b n (p c)")


def _cross_entropy(num_classes, predicted, values):
  logits = _logits(num_classes, predicted)
  return optax.softmax_cross_entropy_with_integer_labels(logits, values)


def _logits(num_classes, predicted):
  return rearrange(predicted, "b n (p c) -> b n p c", c=num_classes)


def _squared(predicted, values):
  return (predicted - values) ** 2
