"""Layouts of pictures in folders and tar archives."""

import dataclasses
import functools
import posixpath

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import crops, decoding, file_trees
from taskrobust_jax.data.pictures.image_examples import Examples

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff")
CAMVID_CLASSES = (
  *("sky", "building", "pole", "road", "pavement", "tree", "sign_symbol"),
  *("fence", "car", "pedestrian", "bicyclist"),
)
_CAMVID_UNLABELLED = 11
_TUM_SCALE = 5_000.0
_IMAGENET_S_UNLABELLED = 1_000
_SHOWN = 10


def multimodal_folder(
  path: str,
  split: str = "",
  *,
  modalities: tuple[str, ...] = ("rgb", "depth", "semseg"),
  depth_scale: float = 65_536.0,
  depth_bits: int = 16,
  class_names: tuple[str, ...] = (),
  ignored: int | None = 255,
) -> Examples:
  """A folder for each modality, as MultiMAE has it.

  They are rgb/**/x.jpg, depth/**/x.png, semseg/**/x.png: one path, but for the
  extension, makes an example; it counts from the modality's folder.
  Pseudo-labels are made elsewhere.

  Args:
    path: a folder, or a tar archive.
    split: the folder in it that has the modalities' folders; "" for itself.
    modalities: of `crops.PICTURES`, each with a folder of its name.
    depth_scale: values of a depth map a metre. MultiMAE's are relative and
      divided by 65,536.
    depth_bits: 8 or 16.
    class_names: of semseg's labels.
    ignored: the label of pixels without one.

  Raises:
    InputError: an argument out of its range, no such folder, or files without
      their counterparts: the first ten are named.
  """
  unknown = [name for name in modalities if name not in crops.PICTURES]
  if unknown or not modalities or len(set(modalities)) < len(modalities):
    raise errors.InputError(
      f"modalities: {modalities} are not one or more different ones of "
      f"{crops.PICTURES}"
    )
  if not (np.isfinite(depth_scale) and depth_scale > 0):
    raise errors.InputError(f"depth_scale: {depth_scale} is not above 0")
  if depth_bits not in (8, 16):
    raise errors.InputError(f"depth_bits: {depth_bits} is not 8 or 16")
  if "semseg" in modalities and not class_names:
    raise errors.InputError("class_names: none are given; semseg needs them")
  tree = file_trees.open_tree(path)
  files = _matched(tree, {m: posixpath.join(split, m) for m in modalities})
  decoders = {
    "rgb": decoding.decode_rgb,
    "depth": functools.partial(
      decoding.decode_depth, scale=depth_scale, bits=depth_bits
    ),
    "normals": decoding.decode_normals,
    "semseg": functools.partial(
      decoding.decode_semseg, num_classes=len(class_names), ignored=ignored
    ),
  }
  return Examples(
    tree,
    {name: decoders[name] for name in modalities},
    files,
    class_names=tuple(class_names) if "semseg" in modalities else (),
  )


def image_folder(
  path: str, split: str = "", *, label_names: tuple[str, ...] = ()
) -> Examples:
  """Photos in a folder for each class: dog/x.jpg, cat/y.jpg.

  Args:
    path: a folder, or a tar archive.
    split: the folder in it that has the classes' folders; "" for itself.
    label_names: the classes' folders, in the order of their labels; empty for
      those that are found, sorted.

  Raises:
    InputError: no such folder, no photo, one outside of a class's folder, or a
      class that is not in `label_names`.
  """
  tree = file_trees.open_tree(path)
  found = _pictures_below(tree, split)
  classes = {stem: stem.partition("/")[0] for stem in found if "/" in stem}
  if len(classes) < len(found):
    outside = [found[stem] for stem in found if stem not in classes]
    raise errors.InputError(
      f"{tree.place}: {len(outside)} pictures are in no class's folder: "
      + _first(outside)
    )
  label_names = tuple(label_names) or tuple(sorted(set(classes.values())))
  unknown = sorted(set(classes.values()) - set(label_names))
  if unknown:
    raise errors.InputError(
      f"{tree.place}: {len(unknown)} folders are no known class: "
      + _first(unknown)
    )
  index = {name: i for i, name in enumerate(label_names)}
  return Examples(
    tree,
    {"rgb": decoding.decode_rgb},
    {"rgb": list(found.values())},
    labels=[index[classes[stem]] for stem in found],
    label_names=label_names,
  )


def imagenet_s(path: str, split: str = "train-semi") -> Examples:
  """ImageNet-S as published.

  It is SPLIT/CLASS/x.JPEG with SPLIT-segmentation/CLASS/x.png. A pixel's label
  is red + 256 green: 0 is "other", i is the i-th of the sorted classes, 1,000
  is none. `label` counts the classes from 0. "train" and "test" have no
  segmentation: their examples have photos alone.

  Args:
    path: the folder ImageNetS50, ImageNetS300 or ImageNetS919.
    split: train-semi, validation, train or test.

  Raises:
    InputError: no such folder, or files without their counterparts.
  """
  photos = image_folder(path, split)
  tree, masks = photos.tree, f"{split}-segmentation"
  if not any(name.startswith(f"{masks}/") for name in tree.sizes):
    return photos
  class_names = ("other", *photos.label_names)
  return dataclasses.replace(
    photos,
    # Both go by the sorted stems.
    files=_matched(tree, {"rgb": split, "semseg": masks}),
    decoders={
      "rgb": decoding.decode_rgb,
      "semseg": functools.partial(
        decoding.decode_two_byte_semseg,
        num_classes=len(class_names),
        ignored=_IMAGENET_S_UNLABELLED,
      ),
    },
    class_names=class_names,
  )


def camvid(path: str, split: str = "train") -> Examples:
  """CamVid with 11 classes: SPLIT/images/x.jpg, SPLIT/labels/x.png.

  The label 11 is none.

  Args:
    path: a folder, or a tar archive.
    split: train, val or test.

  Raises:
    InputError: no such folder, or files without their counterparts.
  """
  tree = file_trees.open_tree(path)
  folders = {"rgb": f"{split}/images", "semseg": f"{split}/labels"}
  decode = functools.partial(
    decoding.decode_semseg,
    num_classes=len(CAMVID_CLASSES),
    ignored=_CAMVID_UNLABELLED,
  )
  return Examples(
    tree,
    {"rgb": decoding.decode_rgb, "semseg": decode},
    _matched(tree, folders),
    class_names=CAMVID_CLASSES,
  )


def tum_rgbd(path: str, split: str = "train") -> Examples:
  """A TUM RGB-D sequence in pairs: SPLIT/images/x.jpg, SPLIT/depth/x.png.

  Depth has 16 bits and 5,000 values a metre.

  Args:
    path: a folder, or a tar archive.
    split: train or val.

  Raises:
    InputError: no such folder, or files without their counterparts.
  """
  tree = file_trees.open_tree(path)
  folders = {"rgb": f"{split}/images", "depth": f"{split}/depth"}
  decode = functools.partial(decoding.decode_depth, scale=_TUM_SCALE)
  return Examples(
    tree,
    {"rgb": decoding.decode_rgb, "depth": decode},
    _matched(tree, folders),
  )


def _pictures_below(tree, folder):
  """{path without folder and extension: path}, sorted."""
  start = f"{folder.strip('/')}/" if folder.strip("/") else ""
  found = {}
  for name in tree.sizes:
    stem, extension = posixpath.splitext(name)
    if not name.startswith(start) or extension.lower() not in EXTENSIONS:
      continue
    stem = stem[len(start) :]
    if stem in found:
      raise errors.InputError(
        f"{tree.place}: {found[stem]} and {name} differ in their ends only"
      )
    found[stem] = name
  if not found:
    raise errors.InputError(
      f"{tree.place}: no picture is in {start or 'it'} (of {len(tree.sizes)} "
      "files)"
    )
  return dict(sorted(found.items()))


def _matched(tree, folders):
  """The files of all modalities by stem; a stem that one lacks is an error."""
  found = {name: _pictures_below(tree, f) for name, f in folders.items()}
  every = sorted(set().union(*found.values()))
  lacking = {
    name: [stem for stem in every if stem not in files]
    for name, files in found.items()
  }
  lacking = {name: stems for name, stems in lacking.items() if stems}
  if lacking:
    raise errors.InputError(
      f"{tree.place}: pictures without their counterparts: "
      + "; ".join(
        f"{folders[name]} lacks {len(stems)}: {_first(stems)}"
        for name, stems in lacking.items()
      )
    )
  return {
    name: [files[stem] for stem in every] for name, files in found.items()
  }


def _first(names):
  more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
  return ", ".join(names[:_SHOWN]) + more
