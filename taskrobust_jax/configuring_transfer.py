"""What config files of fine-tuning are made of: every key, as published."""

from typing import Any

from ml_collections import ConfigDict

from taskrobust_jax.configuring import MULTIMODAL_FOLDER
from taskrobust_jax.errors import InputError


def fine_tuning(text: str) -> ConfigDict:
  """Fine-tuning on tasks of text.

  A config file takes this and says what it changes. The argument `:frozen`
  keeps the encoder as it is and trains heads on its features; `:neighbours`
  trains nothing, see transfer/neighbours.py.

  Args:
    text: What stands after the colon of `--config`.

  Returns:
    Every key that `finetune` reads of a model of text.
  """
  return _fine_tuning(
    text,
    max_length=128,  # Of rows, if the model takes so many.
    model={"dropout_rate": 0.1, "dtype": "float32"},
    # The tasks `tagging` and `agreement`: files of CoNLL-U.
    tagging={"train_path": "", "eval_path": ""},
    # Tasks of your own: name -> {train_path, eval_path: tab-separated files;
    # first, second, label: columns, second may be ""; classes: the labels, ()
    # for numbers; scores: see transfer/objectives.py}.
    tables={},
  )


def picture_fine_tuning(text: str) -> ConfigDict:
  """Fine-tuning on tasks of pictures, in MAE's and MultiMAE's settings.

  As `fine_tuning`, for a model of pictures. They train 100 epochs on ImageNet,
  in batches of 1,024 and with random crops and erasing besides.
  """
  config = _fine_tuning(
    text,
    model={"drop_path_rate": 0.1, "dtype": "float32"},
    # Of training pictures, not with a frozen encoder. The alphas of mixup and
    # cutmix are for classes of pictures; 0: none.
    augmentation={"flip": 0.5, "mixup": 0.8, "cutmix": 1.0},
    # Of segmentation and depth, see transfer/image_heads.py.
    head={"channels": 384, "cells": 4, "num_blocks": 4},
    # name -> {source: KIND=PATH, as in data/pictures/image_sources.py; target:
    # classes, segmentation, depth or normals}. More may be added.
    pictures={
      name: {"source": source, "target": target}
      for name, (source, target) in {
        "scenes_classes": ("scenes", "classes"),
        "scenes_segmentation": ("scenes", "segmentation"),
        "scenes_depth": ("scenes", "depth"),
        "scenes_normals": ("scenes", "normals"),
        "tiny_imagenet": ("image_folder=", "classes"),
        "camvid": ("camvid=", "segmentation"),
        "tum_depth": ("tum_rgbd=", "depth"),
        "imagenet": ("tfds:imagenet2012", "classes"),
        "imagenet_s": ("imagenet_s=", "segmentation"),
        "nyu_depth": ("tfds:nyu_depth_v2", "depth"),
      }.items()
    },
    # Of sources multimodal_folder=PATH; see data/pictures/image_folders.py.
    multimodal_folder=dict(MULTIMODAL_FOLDER),
    # Another seed than that of pre-training: other scenes.
    scenes={"seed": 1_000, "train_rows": 1_024, "eval_rows": 256},
  )
  config.optimizer.update(schedule="cosine", eps=1e-8)
  if config.mode == "full":
    config.optimizer.update(
      learning_rate=5e-4, layer_decay=0.75, weight_decay=0.05
    )
  else:
    config.optimizer.weight_decay = 0.0
  return config


def _fine_tuning(text: str, **sections: Any) -> ConfigDict:
  """What fine-tuning of text and of pictures share."""
  if text not in ("", "frozen", "neighbours"):
    raise InputError(
      f"config argument {text!r} is not known; frozen and neighbours are"
    )
  is_frozen = text != ""
  return ConfigDict(
    {
      "mode": text or "full",
      "num_neighbours": 20,  # Of mode neighbours.
      "batch_size": 32,
      "num_epochs": 30.0 if is_frozen else 3.0,
      "least_steps": 1_000 if is_frozen else 100,  # With few examples.
      "optimizer": {
        "learning_rate": 1e-3 if is_frozen else 5e-5,
        "warmup_share": 0.06,  # Of the steps.
        "schedule": "linear",
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-6,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
        "layer_decay": 1.0,  # See train/layer_decay.py; 1: none.
      },
      "evaluation": {
        "times": 4,  # Evenly spaced; the last one is at the end.
        # Of the dev rows, to select a step by; the others judge it. 0: the last
        # step, judged by all.
        "select_share": 0.5,
        "max_rows": 0,  # Dev rows that are drawn; 0: all.
        "batch_size": 256,
      },
      **sections,
    }
  ).lock()
