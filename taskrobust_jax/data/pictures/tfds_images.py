"""Pictures of TensorFlow Datasets, such as imagenet2012 and nyu_depth_v2.

Nothing is ever downloaded here, and TensorFlow is not needed: the dataset was
prepared before, as files of array_record. Without it an error names the folder
that was looked in and the command.
"""

from typing import Any

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data import prepared
from taskrobust_jax.data.pictures import crops, decoding


class TfdsImages:
  """The examples of a split, an `image_examples.Source`.

  A feature `image` is `rgb`, `depth` (a tensor in metres, where what is not
  above 0 is missing) is `depth`, `label` (a ClassLabel) is `label`. Others are
  passed over.

  Args:
    name: a dataset, such as "imagenet2012" or "nyu_depth_v2".
    split: a split, such as "train" or "validation[:10%]".

  Raises:
    InputError: no such dataset or split, no data, files that are not
      array_record, or no picture in them.
  """

  class_names = ()

  def __init__(self, name: str, split: str):
    import tensorflow_datasets as tfds

    self._arguments = name, split
    self.place = f"tfds:{name}/{split}"
    builder = _builder(name)
    features = dict(builder.info.features or {})
    if not isinstance(features.get("image"), tfds.features.Image):
      raise errors.InputError(
        f"source: tfds:{name} has no feature named image that is a picture; it "
        f"has {', '.join(sorted(features))}"
      )
    self._has_depth = isinstance(features.get("depth"), tfds.features.Tensor)
    label = features.get("label")
    self._has_label = isinstance(label, tfds.features.ClassLabel)
    self.label_names = tuple(label.names) if self._has_label else ()
    wanted = ("rgb", "depth") if self._has_depth else ("rgb",)
    self.modalities = tuple(n for n in crops.PICTURES if n in wanted)
    try:
      self._source = builder.as_data_source(
        # We decode, with our bounds.
        split,
        decoders={"image": tfds.decode.SkipDecoding()},
      )
      self._count = len(self._source)
    except Exception as error:  # TFDS raises many types for a bad split.
      raise errors.InputError(
        f"split: {split!r} of tfds:{name} cannot be read: "
        f"{prepared.first_line(error)}; it has "
        f"{', '.join(builder.info.splits)} and parts such as 'train[:10%]'"
      ) from error
    self._described = f"{builder.info.full_name} {split}"

  def __reduce__(self):
    # A process of its own opens the files itself.
    return TfdsImages, self._arguments

  def __len__(self) -> int:
    return self._count

  def fingerprint(self) -> str:
    """The dataset's name with its version, and the split."""
    return self._described

  def read(self, index: int) -> dict[str, Any]:
    """Reads an example.

    Raises:
      PictureError: a picture that does not decode, or has no depth at all.
      InputError: the files are damaged.
    """
    try:
      values = self._source[int(index)]
    except Exception as error:  # What it raises differs with the damage.
      raise errors.InputError(
        f"{self.place}: example {index} cannot be read: "
        f"{prepared.first_line(error)}"
      ) from error
    try:
      example = {"rgb": decoding.decode_rgb(values["image"])}
      if self._has_depth:
        depth = np.asarray(values["depth"], np.float32)
        if depth.ndim == 3 and depth.shape[2] == 1:
          depth = depth[..., 0]
        is_there = np.isfinite(depth) & (depth > 0)
        if depth.ndim != 2 or not is_there.any():
          raise decoding.PictureError(
            f"has a depth of shape {depth.shape} with {is_there.sum()} values"
          )
        example["depth"] = np.where(is_there, depth, np.float32(np.nan))
      crops.shape_of(example)
    except errors.InputError as error:
      raise decoding.PictureError(
        f"{self.place}: example {index} {error}"
      ) from error
    if self._has_label and values["label"] >= 0:  # -1 in test splits.
      example["label"] = np.int32(values["label"])
    return example


def _builder(name):
  builder = prepared.builder(name)
  kind = prepared.file_format(builder)
  if kind != "array_record":
    raise errors.InputError(
      f"source: {builder.data_dir} holds {kind} files, of which examples "
      f"cannot be read by index. {prepared.remedy(name)}"
    )
  return builder
