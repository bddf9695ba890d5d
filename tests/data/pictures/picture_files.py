"""Files of pictures, made in memory."""

import io
import tarfile

import numpy as np
from PIL import Image


def encoded(values, kind="PNG"):
  """The bytes of a picture of an array, 8 or 16 bits."""
  stream = io.BytesIO()
  values = np.ascontiguousarray(values)
  Image.fromarray(values).save(stream, kind)
  return stream.getvalue()


def rgb(seed=0, shape=(12, 16), kind="JPEG"):
  random = np.random.default_rng(seed)
  return encoded(random.integers(0, 256, (*shape, 3), np.uint8), kind)


def depth(seed=0, shape=(12, 16)):
  random = np.random.default_rng(seed)
  return encoded(random.integers(1, 2**16, shape, np.uint16))


def semseg(seed=0, shape=(12, 16), classes=3):
  random = np.random.default_rng(seed)
  return encoded(random.integers(0, classes, shape, np.uint8))


def write_folder(folder, files):
  for name, content in files.items():
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
  return str(folder)


def write_tar(path, files, mode="w:"):
  with tarfile.open(path, mode) as archive:
    for name, content in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))
  return str(path)
