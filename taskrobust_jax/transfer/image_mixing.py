"""What is done to training pictures: mirror images, mixup, cutmix."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from taskrobust_jax.errors import InputError
from taskrobust_jax.transfer.image_objectives import OTHER_LABEL, SHARE
from taskrobust_jax.transfer.task import Arrays

_RGB, _LABEL = "rgb", "label"


def make_augment(
  section: ConfigDict, *, mixes: bool
) -> Callable[[Arrays, jax.Array], Arrays] | None:
  """Makes the `augment` of a `DownstreamTask`.

  Args:
    section: `flip`, the probability of the mirror image in [0, 1]; `mixup` and
      `cutmix`, the alphas of their Beta(alpha, alpha), 0 for none.
    mixes: Whether pictures may be mixed; labels are classes of pictures then.

  Returns:
    (rows, key) -> rows, or `None` where there is nothing to do.

  Raises:
    InputError: If a value is not legal.
  """
  flip_rate, alphas = section.flip, (section.mixup, section.cutmix)
  if not 0 <= flip_rate <= 1:
    raise InputError(f"augmentation.flip must be in [0, 1], got {flip_rate}")
  for name, alpha in zip(("mixup", "cutmix"), alphas, strict=True):
    if not 0 <= alpha < float("inf"):
      raise InputError(f"augmentation.{name} must be in [0, inf), got {alpha}")
  ways = [
    (way, alpha)
    for way, alpha in zip((mixup, cutmix), alphas, strict=True)
    if mixes and alpha
  ]
  if not flip_rate and not ways:
    return None

  def augment(rows, key):
    flip_key, choice_key, share_key, key = jax.random.split(key, 4)
    if flip_rate:
      rows = flip(rows, flip_rate, flip_key)
    if not ways:
      return rows
    branches = [
      lambda rows, way=way, alpha=alpha: way(
        rows, jax.random.beta(share_key, alpha, alpha), key
      )
      for way, alpha in ways
    ]
    choice = jax.random.randint(choice_key, (), 0, len(branches))
    return jax.lax.switch(choice, branches, rows)

  return augment


def flip(rows: Arrays, rate: float, key: jax.Array) -> Arrays:
  """Mirrors a share of the pictures, and all that is known of their pixels.

  Labels [B, H, W, 3] are normals: what looked right looks left then.
  """
  is_flipped = jax.random.bernoulli(key, rate, (len(rows[_RGB]),))

  def flipped(name, values):
    if values.ndim < 3:
      return values
    chosen = is_flipped.reshape(-1, *[1] * (values.ndim - 1))
    mirrored = values[:, :, ::-1]
    if name == _LABEL and values.ndim == 4:
      mirrored *= jnp.array([-1, 1, 1], values.dtype)
    return jnp.where(chosen, mirrored, values)

  return {name: flipped(name, values) for name, values in rows.items()}


def mixup(rows: Arrays, share: jax.Array, key: jax.Array) -> Arrays:
  """Zhang et al. (2018): each picture's mean with that of another row.

  As in timm, the other is its place in the reversed batch, and one share serves
  the batch.

  Args:
    rows: "rgb" [B, H, W, 3] uint8, "label" [B] int32.
    share: Scalar, what is kept of a picture.
    key: Not used.
  """
  del key
  rgb = rows[_RGB].astype(jnp.float32)
  mixed = share * rgb + (1 - share) * rgb[::-1]
  return _mixed(rows, jnp.round(mixed).astype(jnp.uint8), share)


def cutmix(rows: Arrays, share: jax.Array, key: jax.Array) -> Arrays:
  """Yun et al. (2019): a rectangle of each picture is another row's.

  The rectangle has the picture's proportions and its middle anywhere in it;
  what lies outside is cut off, and the share is that of the pixels that remain.
  Arguments as for `mixup`.
  """
  rgb = rows[_RGB]
  size = jnp.array(rgb.shape[1:3])
  half = jnp.floor(size * jnp.sqrt(1 - share)).astype(jnp.int32) // 2
  middle = jax.random.randint(key, (2,), 0, size)
  low, high = jnp.maximum(middle - half, 0), jnp.minimum(middle + half, size)
  y, x = (jnp.arange(n) for n in rgb.shape[1:3])
  is_in = ((y >= low[0]) & (y < high[0]))[:, None] & (
    (x >= low[1]) & (x < high[1])
  )
  return _mixed(
    rows, jnp.where(is_in[..., None], rgb[::-1], rgb), 1 - is_in.mean()
  )


def _mixed(rows, rgb, share):
  share = jnp.broadcast_to(share, len(rgb)).astype(jnp.float32)
  other = rows[_LABEL][::-1]
  return {**rows, _RGB: rgb, OTHER_LABEL: other, SHARE: share}
