"""Downstream tasks of pictures, by name."""

from ml_collections import ConfigDict

from taskrobust_jax.data.pictures import image_sources
from taskrobust_jax.errors import InputError
from taskrobust_jax.train.checks import check_count
from taskrobust_jax.transfer import image_heads, image_rows
from taskrobust_jax.transfer.image_mixing import make_augment
from taskrobust_jax.transfer.image_objectives import (
  Depth,
  MixedClassification,
  Normals,
  Segmentation,
)
from taskrobust_jax.transfer.task import DownstreamTask

# Pictures whose depths give mean and deviation.
_NUM_LOOKED_AT = 256


def check_name(name: str, config: ConfigDict) -> None:
  """Raises InputError unless there is a task of this name, with a source."""
  if name not in config.pictures:
    raise InputError(
      f"task {name!r} is not known; there are {', '.join(config.pictures)}"
    )
  section = config.pictures[name]
  if section.target not in image_rows.TARGETS:
    raise InputError(
      f"pictures.{name}.target must be in {image_rows.TARGETS}, got "
      f"{section.target!r}"
    )
  if not section.source or section.source.endswith("="):
    raise InputError(
      f"--config.pictures.{name}.source must be given: "
      f"{section.source or 'KIND='}PATH; see data/pictures/image_sources.py"
    )


def make_task(
  name: str,
  config: ConfigDict,
  *,
  width: int,
  image_size: int,
  num_rows: int,
) -> DownstreamTask:
  """Opens the data of a task and makes it.

  Args:
    name: A key of `config.pictures`.
    config: See `configs/finetune_vision.py`; `pictures`, `multimodal_folder`,
      `scenes`, `head`, `augmentation` are read.
    width: D of the encoder.
    image_size: Pixels on a side.
    num_rows: Patches on a side.

  Raises:
    InputError: If there is no such task, or its data are not there or wrong.
  """
  check_name(name, config)
  section, scenes = config.pictures[name], config.scenes
  check_count("scenes.seed", scenes.seed, least=0)
  for key in ("train_rows", "eval_rows"):
    check_count(f"scenes.{key}", scenes[key])
  for key in ("channels", "cells", "num_blocks"):
    check_count(f"head.{key}", config.head[key])
  found = image_sources.open_sources(
    [section.source],
    seed=scenes.seed,
    image_size=image_size,
    train_rows=scenes.train_rows,
    eval_rows=scenes.eval_rows,
    multimodal_folder=config.multimodal_folder,
  )
  target = section.target
  train, held_out = (
    image_rows.PictureRows(found[split][0], target, image_size)
    for split in ("train", "eval")
  )
  if held_out.num_classes != train.num_classes:
    raise InputError(
      f"{name}: {train.source.place} has {train.num_classes} classes, "
      f"{held_out.source.place} has {held_out.num_classes}"
    )
  known = image_rows.some_known(train, _NUM_LOOKED_AT)
  image_rows.some_known(held_out, _NUM_LOOKED_AT)
  if target == image_rows.CLASSES:
    head = image_heads.patch_mean(width, train.num_classes)
    objective = MixedClassification()
  else:
    if target == image_rows.SEGMENTATION:
      objective = Segmentation(num_classes=train.num_classes)
    elif target == image_rows.DEPTH:
      objective = Depth(float(known.mean()), float(known.std()) or 1.0)
    else:
      objective = Normals()
    num_outputs = {image_rows.DEPTH: 1, image_rows.NORMALS: 3}
    head = image_heads.convnext(
      width,
      num_outputs.get(target, train.num_classes),
      num_rows=num_rows,
      image_size=image_size,
      **config.head,
    )
  return DownstreamTask(
    name,
    train,
    held_out,
    head,
    objective,
    image_rows.digest(target, image_size, train, held_out),
    train.classes() if target == image_rows.CLASSES else None,
    make_augment(config.augmentation, mixes=target == image_rows.CLASSES),
  )
