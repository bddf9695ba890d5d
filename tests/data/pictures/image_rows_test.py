"""A row's bytes are one row's and no other's."""

import tracemalloc

import numpy as np
import pytest

from taskrobust_jax.data.pictures import (
  image_preparation,
  image_records,
  image_rows,
)
from tests.data.pictures.image_cases import Examples, example


def test_a_row_that_is_none_of_ours_is_refused():
  stored = image_rows.to_stored(example(0), (10, 14), 3)
  record = image_rows.pack(stored)
  assert image_rows.pack(stored) == record
  again = image_rows.unpack(record, (10, 14), 3)
  assert all(
    (again[n] == stored[n]).all() for n in ("rgb", "semseg", "normals")
  )
  for shape, classes in (((14, 10), 3), ((10, 15), 3), ((10, 14), 300)):
    with pytest.raises(ValueError, match="has the shape|is not of"):
      image_rows.unpack(record, shape, classes)
  with pytest.raises(ValueError, match="has a feature named 'sound'"):
    image_rows.unpack(image_rows.pack({"sound": np.zeros(3)}), (10, 14), 3)


def test_many_classes_take_two_bytes(tmp_path):
  names = tuple(f"class {i}" for i in range(920))
  labels = np.arange(140).reshape(10, 14) * 6 - 1
  sources = [Examples([{"semseg": labels}], class_names=names)]
  image_preparation.prepare(
    str(tmp_path), {"train": sources, "eval": sources}, shape=(10, 14)
  )
  dataset = image_records.open_dataset(str(tmp_path))
  block = dataset.split("train").read([0])
  assert (block["semseg"][0] == labels).all()
  assert set(block) == {"semseg", "has_semseg"}


def test_a_row_that_holds_more_than_it_should_is_refused():
  labels = np.zeros((10, 14), np.int32)
  record = image_rows.pack(
    image_rows.to_stored({"semseg": labels}, (10, 14), 3)
  )
  for shape in ((5, 14), (20, 14)):
    with pytest.raises(ValueError, match="semseg: is not of"):
      image_rows.unpack(record, shape, 3)


def test_a_row_of_few_bytes_cannot_fill_the_memory():
  labels = np.zeros((4_000, 4_000), np.int32)
  stored = image_rows.to_stored({"semseg": labels}, labels.shape, 3)
  record = image_rows.pack(stored)
  assert len(record) < 1e5
  tracemalloc.start()
  with pytest.raises(ValueError, match="semseg: is not of 140 bytes"):
    image_rows.unpack(record, (10, 14), 3)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 2e6
