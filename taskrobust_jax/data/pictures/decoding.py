"""Files of pictures to arrays, one function for each modality.

What they give is what `crops` takes. Missing values: depth is NaN, a normal is
zeros, a label is `UNLABELLED`.

Raises of all: `PictureError`, which names what was seen and what is legal. Its
caller knows the file's name. Orientation tags of photos are not looked at, as
by the networks that made the pseudo-labels beside them.
"""

import io
import warnings

import numpy as np

from taskrobust_jax import errors

# A small file may claim to be a picture that fills the memory.
MAX_PIXELS = 64_000_000
UNLABELLED = -1


class PictureError(errors.InputError):
  """One picture is bad; the others may be fine."""


def decode_rgb(content: bytes) -> np.ndarray:
  """A photo: uint8 [H, W, 3]. Grey, palette and CMYK are converted."""
  image = _open(content)
  if image.mode not in ("RGB", "L", "P", "CMYK", "YCbCr", "1"):
    raise PictureError(
      f"has the channels {image.mode}; RGB, grey, palette or CMYK of 8 bits "
      "are legal"
    )
  return np.array(_converted(image, "RGB"))


def decode_depth(content: bytes, scale: float, bits: int = 16) -> np.ndarray:
  """A depth map: float32 [H, W], value / scale, NaN where the value is 0.

  Args:
    content: a file with one channel.
    scale: values a metre, such as 5,000 in TUM's sets; above 0.
    bits: 8 or 16. Said, not seen: a scale is right for one of them only.
  """
  image = _open(content)
  if image.mode not in ("L", "I;16", "I;16B", "I"):
    raise PictureError(
      f"has the channels {image.mode}; depth has one of {bits} bits"
    )
  seen = 8 if image.mode == "L" else 16
  if seen != bits:
    raise PictureError(f"has {seen} bits a pixel; depth has {bits} here")
  values = np.asarray(image)
  if values.min() < 0 or values.max() >= 2**bits:
    raise PictureError(
      f"has the value {values.max()}; 0 to {2**bits - 1} is legal"
    )
  if not values.any():
    raise PictureError("has no depth at all: every value is 0, missing")
  depth = values.astype(np.float32) / np.float32(scale)
  depth[values == 0] = np.nan
  return depth


def decode_semseg(
  content: bytes, num_classes: int, ignored: int | None
) -> np.ndarray:
  """Labels of pixels: int32 [H, W].

  Args:
    content: a file with one channel or a palette, whose colours do not matter.
    num_classes: labels are below it.
    ignored: the one that becomes `UNLABELLED`, None for none; it may be
      num_classes or more.
  """
  image = _open(content)
  if image.mode not in ("L", "P", "I;16", "I;16B", "I"):
    raise PictureError(f"has the channels {image.mode}; labels have one")
  return _labels(np.asarray(image), num_classes, ignored)


def decode_two_byte_semseg(
  content: bytes, num_classes: int, ignored: int | None
) -> np.ndarray:
  """Labels of pixels, red + 256 green: int32 [H, W]; as `decode_semseg`."""
  image = _open(content)
  if image.mode != "RGB":
    raise PictureError(f"has the channels {image.mode}; labels are RGB here")
  values = np.asarray(image).astype(np.int32)
  if values[..., 2].any():
    raise PictureError(
      f"has {values[..., 2].max()} in blue; labels are red + 256 green"
    )
  labels = values[..., 0] + 256 * values[..., 1]
  return _labels(labels, num_classes, ignored)


def decode_normals(content: bytes) -> np.ndarray:
  """Normals: float32 [H, W, 3], unit vectors, x right, y down, z ahead.

  The file has RGB of 8 bits, 127.5 (1 + normal). A vector shorter than 1/2 is
  none: missing, zeros.
  """
  image = _open(content)
  if image.mode != "RGB":
    raise PictureError(f"has the channels {image.mode}; normals are RGB")
  normals = np.asarray(image).astype(np.float32) / np.float32(127.5) - 1
  length = np.linalg.norm(normals, axis=-1, keepdims=True)
  is_there = length > 0.5
  # Black is (-1, -1, -1), the usual mark of what is missing.
  is_there &= (normals > -1).any(axis=-1, keepdims=True)
  if not is_there.any():
    raise PictureError("has no normals at all")
  return np.where(is_there, normals / np.maximum(length, 0.5), 0)


def _open(content):
  from PIL import Image

  try:
    with warnings.catch_warnings():
      warnings.simplefilter("error", Image.DecompressionBombWarning)
      image = Image.open(io.BytesIO(content))
  except (Image.DecompressionBombWarning, Image.DecompressionBombError) as e:
    raise PictureError(f"is too large: {e}") from e
  except Exception as error:  # Its decoders raise what they like.
    raise PictureError(f"is no picture: {error}") from error
  width, height = image.size
  if not 0 < width * height <= MAX_PIXELS:
    raise PictureError(
      f"has {height} x {width} pixels; 1 to {MAX_PIXELS:,} are legal"
    )
  try:
    image.load()
  except Exception as error:
    raise PictureError(f"does not decode: {error}") from error
  return image


def _converted(image, mode):
  if image.mode == mode:
    return image
  if image.mode == "P" and "transparency" in image.info:
    raise PictureError("has transparent pixels")
  return image.convert(mode)


def _labels(values, num_classes, ignored):
  labels = values.astype(np.int32)
  is_ignored = labels == ignored if ignored is not None else labels < 0
  wrong = labels[~is_ignored & ((labels < 0) | (labels >= num_classes))]
  if wrong.size:
    raise PictureError(
      f"has the label {wrong.max()}; 0 to {num_classes - 1} are legal"
      + ("" if ignored is None else f", and {ignored} for none")
    )
  labels[is_ignored] = UNLABELLED
  return labels
