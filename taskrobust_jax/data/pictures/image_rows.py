"""A row of a dataset of pictures: an example of fixed size, as bytes and back.

What a row keeps, at 96 px of `scenes` (photos of 120 x 160 in brackets):

  rgb      PNG, exact                                          8.4 kB (33-37 kB)
  depth    float16, compressed: within 0.05 % above 0.0001     7.9 kB (12 kB)
  normals  int8, compressed: within 0.4 degrees                3.5 kB
  semseg   uint8 or uint16, compressed, exact                  0.3 kB (1.3 kB)

An absent modality takes no bytes. Missing values stay what `decoding` says.
"""

from collections.abc import Mapping
import hashlib
import io
from typing import Any
import zlib

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import crops, decoding

LABEL = "label"
# Shapes without [H, W], and dtypes, of what a reader gives.
FEATURES = {
  "rgb": ((3,), np.uint8),
  "depth": ((), np.float32),
  "normals": ((3,), np.float32),
  "semseg": ((), np.int32),
}
_LEVEL = 3  # 6 takes twice the time and saves 5 %.
_LARGEST_DEPTH = 65_504.0


class Digest:
  """sha256 over rows, in order: of the values, not of how they are packed."""

  def __init__(self):
    self._hash = hashlib.sha256()

  def add(self, stored: Mapping[str, np.ndarray | int]) -> None:
    """Adds a row, from `to_stored` or `unpack`."""
    for name in (*crops.PICTURES, LABEL):
      values = stored.get(name)
      self._hash.update(f"{name} {values is not None}\n".encode())
      if isinstance(values, np.ndarray):
        self._hash.update(f"{values.dtype.str} {values.shape}\n".encode())
        self._hash.update(np.ascontiguousarray(values).tobytes())
      elif values is not None:
        self._hash.update(f"{int(values)}\n".encode())

  def hexdigest(self) -> str:
    """The digest of all rows added so far."""
    return self._hash.hexdigest()


def to_stored(
  example: Mapping[str, Any], shape: tuple[int, int], num_classes: int
) -> dict[str, Any]:
  """Makes an example's arrays what a row keeps of them.

  Args:
    example: as `crops` says, its pictures of the shape, perhaps with a label.
    shape: height and width.
    num_classes: labels of pixels are below it.

  Returns:
    The same names: rgb uint8, depth float16, normals int8 (127 times the
    vector), semseg uint8 or uint16 (1 + the label), label int.

  Raises:
    InputError: another size, a value out of its range.
  """
  if crops.shape_of(example) != tuple(shape):
    raise errors.InputError(
      f"the example has {crops.shape_of(example)} pixels; {tuple(shape)} wanted"
    )
  stored: dict[str, Any] = {}
  if "rgb" in example:
    stored["rgb"] = np.asarray(example["rgb"])
    if stored["rgb"].dtype != np.uint8 or stored["rgb"].shape[2:] != (3,):
      raise errors.InputError("rgb: is not uint8 [H, W, 3]")
  if "depth" in example:
    depth = np.asarray(example["depth"], np.float32)
    largest = np.nanmax(np.abs(depth), initial=0)
    if not largest <= _LARGEST_DEPTH:
      raise errors.InputError(
        f"depth: has {largest}; at most {_LARGEST_DEPTH} can be kept"
      )
    stored["depth"] = depth.astype("<f2")
    stored["depth"][np.isnan(depth)] = np.nan  # One of many bit patterns.
  if "normals" in example:
    normals = np.asarray(example["normals"], np.float32)
    if not np.abs(normals).max(initial=0) <= 1.001:
      raise errors.InputError("normals: have components outside of -1 to 1")
    stored["normals"] = np.round(127 * normals).astype(np.int8)
  if "semseg" in example:
    labels = np.asarray(example["semseg"])
    low, high = labels.min(initial=0), labels.max(initial=0)
    if low < decoding.UNLABELLED or high >= num_classes:
      raise errors.InputError(
        f"semseg: has labels from {low} to {high}; {decoding.UNLABELLED} to "
        f"{num_classes - 1} are legal"
      )
    stored["semseg"] = (labels + 1).astype(_label_type(num_classes))
  if LABEL in example:
    stored[LABEL] = int(example[LABEL])
  return stored


def pack(stored: Mapping[str, Any]) -> bytes:
  """A row's bytes, equal for equal rows: a tf.train.Example."""
  from tensorflow_datasets.proto import tf_example_generated_pb2

  example = tf_example_generated_pb2.Example()
  for name, values in stored.items():
    feature = example.features.feature[name]
    if name == LABEL:
      feature.int64_list.value.append(values)
    elif name == "rgb":
      feature.bytes_list.value.append(_to_png(values))
    else:
      content = zlib.compress(np.ascontiguousarray(values).tobytes(), _LEVEL)
      feature.bytes_list.value.append(content)
  return example.SerializeToString(deterministic=True)


def unpack(
  record: bytes, shape: tuple[int, int], num_classes: int
) -> dict[str, Any]:
  """What `to_stored` gave.

  Raises:
    ValueError: the bytes are not those of a row of this shape. Others' decoders
      raise other things.
  """
  from tensorflow_datasets.proto import tf_example_generated_pb2

  features = tf_example_generated_pb2.Example.FromString(
    record
  ).features.feature
  types = {"depth": "<f2", "normals": "i1", "semseg": _label_type(num_classes)}
  stored: dict[str, Any] = {}
  for name in features:
    if name == LABEL:
      (stored[LABEL],) = features[name].int64_list.value
      continue
    if name not in FEATURES:
      raise ValueError(f"has a feature named {name!r}")
    (content,) = features[name].bytes_list.value
    full = (*shape, *FEATURES[name][0])
    if name == "rgb":
      values = decoding.decode_rgb(content)
      if values.shape != full:
        raise ValueError(f"rgb: has the shape {values.shape}, not {full}")
    else:
      dtype = np.dtype(types[name])
      size = int(np.prod(full)) * dtype.itemsize
      # No more than is wanted, whatever the bytes say.
      unpacker = zlib.decompressobj()
      content = unpacker.decompress(content, size)
      if len(content) != size or not unpacker.eof:
        raise ValueError(f"{name}: is not of {size} bytes")
      values = np.frombuffer(content, dtype).reshape(full)
    stored[name] = values
  return stored


def from_stored(stored: Mapping[str, Any]) -> dict[str, Any]:
  """The example of a row: dtypes as in `FEATURES`, normals of length 1."""
  example = dict(stored)
  if "depth" in stored:
    example["depth"] = stored["depth"].astype(np.float32)
  if "normals" in stored:
    normals = stored["normals"].astype(np.float32)
    length = np.sqrt(np.einsum("hwc,hwc->hw", normals, normals))
    normals /= np.maximum(length, 1)[..., None]
    example["normals"] = normals
  if "semseg" in stored:
    example["semseg"] = stored["semseg"].astype(np.int32) - 1
  if LABEL in stored:
    example[LABEL] = np.int32(stored[LABEL])
  return example


def _label_type(num_classes):
  return "u1" if num_classes < 256 else "<u2"


def _to_png(values):
  from PIL import Image

  stream = io.BytesIO()
  image = Image.fromarray(np.ascontiguousarray(values))
  image.save(stream, "PNG", compress_level=_LEVEL)
  return stream.getvalue()
