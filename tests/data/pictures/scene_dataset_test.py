"""Scenes as a dataset: rows by index, nothing in common between splits."""

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import (
  image_records,
  image_rows,
  scene_dataset,
  scenes,
)

ROWS = {"train": 6, "eval": 2**39}


def test_rows_are_the_scenes():
  dataset = scene_dataset.SceneDataset(4, ROWS, 16)
  source = dataset.split("train")
  assert len(source) == 6
  block = source.read(np.array([5, 0, 5]))
  for i, index in enumerate([5, 0, 5]):
    example = scenes.make(4, index, 16)
    for name in example:
      assert block[name].dtype == example[name].dtype
      assert np.array_equal(block[name][i], example[name], equal_nan=True) or (
        name == "label" and block[name][i] == example[name]
      )
      assert block[f"has_{name}"].tolist() == [True] * 3
  for name, (channels, dtype) in image_rows.FEATURES.items():
    assert block[name].shape == (3, 16, 16, *channels)
    assert block[name].dtype == dtype
  assert source.read([])["rgb"].shape == (0, 16, 16, 3)
  held_out = dataset.split("eval")
  assert len(held_out) == 2**39
  last = held_out.read([2**39 - 1])["rgb"][0]
  assert (last == scenes.make(4, 2**40 - 1, 16)["rgb"]).all()


def test_the_digest_is_one_of_the_arguments(monkeypatch):
  digest = lambda *arguments: scene_dataset.SceneDataset(*arguments).info.digest
  first = digest(4, ROWS, 16)
  assert scene_dataset.SceneDataset(4, ROWS, 16, digest=first).verify() == first
  others = {
    digest(5, ROWS, 16),
    digest(4, {**ROWS, "train": 7}, 16),
    digest(4, ROWS, 24),
  }
  monkeypatch.setattr(scenes, "VERSION", scenes.VERSION + 1)
  assert len({first, digest(4, ROWS, 16), *others}) == 5
  with pytest.raises(
    errors.InputError, match=r"digest: the config says .* the"
  ):
    scene_dataset.SceneDataset(4, ROWS, 16, digest=first)


def test_info_has_what_that_of_files_has():
  info = scene_dataset.SceneDataset(4, ROWS, 16).info
  names = set(image_records.image_info.ImageInfo.__dataclass_fields__)
  assert set(info.__dataclass_fields__) <= names
  assert info.rows == ROWS
  assert (info.height, info.width) == (16, 16)


def test_bad_arguments_name_themselves():
  dataset = scene_dataset.SceneDataset(4, ROWS, 16)
  for call, text in [
    (lambda: dataset.split("test"), "split: 'test' is not one of"),
    (lambda: dataset.split("train").read([6]), "train has the rows 0 to 5"),
    (lambda: dataset.split("train").read([-1]), "train has the rows 0 to 5"),
    (lambda: scene_dataset.SceneDataset(-1, ROWS, 16), "seed: -1 is not in"),
    (lambda: scene_dataset.SceneDataset(1, ROWS, 4), "size: 4 is not in"),
    (lambda: scene_dataset.SceneDataset(1, {"train": 3}, 16), "rows: .'train'"),
    (
      lambda: scene_dataset.SceneDataset(1, {"train": 0, "eval": 1}, 16),
      "rows: train has 0; 1 to 549755813888",
    ),
  ]:
    with pytest.raises(errors.InputError, match=text):
      call()
