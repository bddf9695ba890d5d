"""Examples that are made up, and datasets of them."""

import os

import numpy as np

from taskrobust_jax.data.pictures import crops, decoding, image_preparation


class Examples:
  """A source of examples that are given."""

  def __init__(self, examples, place="here", class_names=("a", "b", "c")):
    self.place, self.examples = place, examples
    found = set().union(*examples)
    self.modalities = tuple(n for n in crops.PICTURES if n in found)
    self.class_names = class_names if "semseg" in found else ()
    self.label_names = ("x", "y") if "label" in found else ()

  def __len__(self):
    return len(self.examples)

  def fingerprint(self):
    return "abc"

  def read(self, index):
    if self.examples[index] is BAD:
      raise decoding.PictureError(f"{self.place}: {index} is bad")
    return self.examples[index]


class Killing(Examples):
  """A source that ends the process that reads from it."""

  def read(self, index):
    os._exit(9)


BAD = {"rgb": "bad"}


def example(seed, names=crops.PICTURES, shape=(10, 14)):
  random = np.random.default_rng(seed)
  normals = random.normal(size=(*shape, 3))
  normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
  normals[0, 0] = 0
  depth = random.uniform(0.5, 20, shape).astype(np.float32)
  depth[random.random(shape) < 0.2] = np.nan
  every = {
    "rgb": random.integers(0, 256, (*shape, 3), np.uint8),
    "depth": depth,
    "normals": normals.astype(np.float32),
    "semseg": random.integers(-1, 3, shape, np.int32),
    "label": np.int32(random.integers(2)),
  }
  return {name: every[name] for name in every if name in names}


MIXED = [
  example(0, ("rgb", "semseg")),
  example(1, ("rgb", "depth", "label")),
  example(2, ("normals",)),
  example(3, (*crops.PICTURES, "label")),
]


def write(folder, train=None, held_out=None, **arguments):
  sources = {
    "train": [Examples(train or MIXED)],
    "eval": [Examples(held_out or [example(9, (*crops.PICTURES, "label"))])],
  }
  arguments = {"shape": (10, 14), **arguments}
  return image_preparation.prepare(str(folder), sources, **arguments)
