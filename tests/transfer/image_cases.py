"""Folders of made pictures whose colours tell all, and a small config."""

import numpy as np

from configs import finetune_vision
from tests.data.pictures import picture_files

SIZE = 16
COLOURS = np.array([[220, 30, 30], [30, 30, 220]], np.uint8)


def write(folder, num_train=24, num_eval=16):
  """Classes, segmentation and depth: folders of the layouts that we read.

  The left and the right half of a picture have a colour each, which tells class
  and depth of its pixels; the left one's that of the picture.
  """
  random = np.random.default_rng(0)
  files = {}
  for split, count in (("train", num_train), ("val", num_eval)):
    for i in range(count):
      halves = np.array([i % 2, random.integers(2)])
      classes = np.repeat(halves, SIZE // 2)[None].repeat(SIZE, 0)
      noise = random.integers(-20, 20, (SIZE, SIZE, 3))
      photo = (COLOURS[classes] + noise).astype(np.uint8)
      photo = picture_files.encoded(photo)
      depth = (5_000 * (1 + 2 * classes)).astype(np.uint16)
      labels = classes.astype(np.uint8)
      labels[0] = 11  # None, in CamVid.
      depth[0] = 0
      files |= {
        f"classes/{split}/{'ab'[i % 2]}/{i}.png": photo,
        f"camvid/{split}/images/{i}.png": photo,
        f"camvid/{split}/labels/{i}.png": picture_files.encoded(labels),
        f"tum/{split}/images/{i}.png": photo,
        f"tum/{split}/depth/{i}.png": picture_files.encoded(depth),
      }
  picture_files.write_folder(folder, files)


def config(folder, text=""):
  """The config made small; sources are those of `write`."""
  values = finetune_vision.get_config(text)
  values.batch_size = 8
  values.num_epochs = 20.0
  values.least_steps = 10
  values.model.drop_path_rate = 0.0
  # The left half would be the right one.
  values.augmentation.update(flip=0.0, mixup=0.0, cutmix=0.0)
  values.head.update(channels=8, num_blocks=1)
  values.optimizer.learning_rate = 1e-2
  values.evaluation.times = 2
  values.evaluation.batch_size = 8
  values.scenes.update(train_rows=8, eval_rows=8)
  for name, source in (
    ("tiny_imagenet", f"image_folder={folder}/classes"),
    ("camvid", f"camvid={folder}/camvid"),
    ("tum_depth", f"tum_rgbd={folder}/tum"),
  ):
    values.pictures[name].source = source
  return values
