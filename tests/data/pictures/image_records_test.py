"""Rows come back as written; what is absent says so; damage is found."""

import threading

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import (
  crops,
  image_preparation,
  image_records,
  image_rows,
  scene_dataset,
  scenes,
)
from tests.data.pictures.image_cases import MIXED, example, write


def test_rows_come_back_with_what_they_have(tmp_path):
  info = write(tmp_path)
  assert info.rows == {"train": 4, "eval": 1}
  has = {"rgb": 3, "depth": 2, "normals": 2, "semseg": 2}
  assert info.with_modality["train"] == has
  dataset = image_records.open_dataset(str(tmp_path), digest=info.digest)
  assert dataset.info == info
  source = dataset.split("train")
  assert len(source) == 4
  block = source.read(np.array([3, 0, 1, 2, 1]))
  for i, original in enumerate([MIXED[j] for j in (3, 0, 1, 2, 1)]):
    for name in (*crops.PICTURES, "label"):
      assert block[f"has_{name}"].dtype == bool
      assert block[f"has_{name}"][i] == (name in original)
      seen = block[name][i]
      if name not in original:
        assert (seen == 0).all()
      elif name in ("rgb", "semseg", "label"):
        assert (seen == original[name]).all()
      elif name == "depth":
        assert seen == pytest.approx(original[name], rel=2**-11, nan_ok=True)
      else:
        assert (seen[0, 0] == 0).all()
        there = np.s_[1:]
        assert np.linalg.norm(seen[there], axis=-1) == pytest.approx(1)
        cosine = (seen[there] * original[name][there]).sum(-1)
        assert cosine.min() > np.cos(np.radians(0.4))
  for name, (channels, dtype) in image_rows.FEATURES.items():
    assert block[name].dtype == dtype
    assert block[name].shape == (5, 10, 14, *channels)
  assert tuple(image_rows.FEATURES) == crops.PICTURES
  assert block["label"].dtype == np.int32
  assert source.read([])["rgb"].shape == (0, 10, 14, 3)


def test_verify_and_the_digest(tmp_path, monkeypatch):
  info = write(tmp_path / "one")
  assert image_records.open_dataset(str(tmp_path / "one")).verify() == (
    info.digest
  )
  others = [
    write(tmp_path / "order", MIXED[::-1]),
    write(tmp_path / "fewer", MIXED[:3]),
    write(tmp_path / "eval", MIXED, [example(8, (*crops.PICTURES, "label"))]),
    write(tmp_path / "size", shape=(14, 10)),
  ]
  assert len({info.digest, *(other.digest for other in others)}) == 5
  assert write(tmp_path / "again").digest == info.digest
  assert [p.name for p in sorted((tmp_path / "one").iterdir())] == [
    "dataset.json",
    "rows-eval.array_record-00000-of-00001",
    "rows-train.array_record-00000-of-00001",
  ]
  with pytest.raises(
    errors.InputError, match=f"says abc; .* has {info.digest}"
  ):
    image_records.open_dataset(str(tmp_path / "one"), digest="abc")


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "other", "rows"])
def test_damaged_files_are_an_input_error(tmp_path, damage):
  write(tmp_path, [example(i) for i in range(30)])
  shard = tmp_path / "rows-train.array_record-00000-of-00001"
  data = bytearray(shard.read_bytes())
  if damage == "flip":
    data[len(data) // 2] ^= 255
    shard.write_bytes(data)
  elif damage == "cut":
    shard.write_bytes(data[: len(data) // 2])
  elif damage == "remove":
    shard.unlink()
  elif damage == "rows":
    shard.write_bytes(
      (tmp_path / "rows-eval.array_record-00000-of-00001").read_bytes()
    )
  else:
    write(tmp_path / "other", [example(i) for i in range(1, 31)])
    shard.write_bytes((tmp_path / "other" / shard.name).read_bytes())
  dataset = image_records.open_dataset(str(tmp_path))
  with pytest.raises(errors.InputError, match=str(tmp_path)):
    dataset.verify()


def test_bad_arguments_name_themselves(tmp_path):
  write(tmp_path)
  dataset = image_records.open_dataset(str(tmp_path))
  with pytest.raises(errors.InputError, match="split: 'test' is not one of"):
    dataset.split("test")
  for indices in ([4], [-1, 3]):
    with pytest.raises(errors.InputError, match="train has the rows 0 to 3"):
      dataset.split("train").read(indices)


def test_threads_read_what_one_reads(tmp_path):
  write(tmp_path, [example(i) for i in range(20)])
  source = image_records.open_dataset(str(tmp_path)).split("train")
  expected = source.read(range(20))["rgb"]
  wrong = []

  def read(seed):
    for _ in range(10):
      indices = np.random.default_rng(seed).integers(0, 20, 8)
      if (source.read(indices)["rgb"] != expected[indices]).any():
        wrong.append(seed)

  threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert not wrong


def test_scenes_on_disk_are_the_scenes(tmp_path):
  sources = {
    "train": [scene_dataset.SceneExamples(3, "train", 5, 32)],
    "eval": [scene_dataset.SceneExamples(3, "eval", 2, 32)],
  }
  image_preparation.prepare(str(tmp_path), sources, shape=(32, 32))
  stored = image_records.open_dataset(str(tmp_path))
  live = scene_dataset.SceneDataset(3, {"train": 5, "eval": 2}, 32)
  assert stored.info.class_names == live.info.class_names
  assert stored.info.label_names == live.info.label_names
  for name in ("train", "eval"):
    first, second = (d.split(name).read([1, 0]) for d in (stored, live))
    assert list(first) == list(second)
    for feature in first:
      assert first[feature].dtype == second[feature].dtype
    assert (first["rgb"] == second["rgb"]).all()
    assert (first["semseg"] == second["semseg"]).all()
    assert (first["label"] == second["label"]).all()
    assert first["depth"] == pytest.approx(
      second["depth"], rel=2**-11, nan_ok=True
    )
    assert abs(first["normals"] - second["normals"]).max() < 0.01
  assert (
    scenes.make(3, 1, 32)["rgb"] == live.split("train").read([1])["rgb"]
  ).all()
