"""Rows come back as written; what is absent says so; damage is found."""

import json
import pathlib
import threading

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data import (
  crops,
  image_folders,
  image_info,
  image_records,
  image_rows,
  image_shards,
  pictures,
  scene_dataset,
  scenes,
)

DATA = pathlib.Path(__file__).parents[3] / "shared/data"
CAMVID = DATA / "camvid_160x120/camvid_160x120.tar"
TUM = DATA / "tum_fr1_rpy_160x120/tum_fr1_rpy_160x120.tar"


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
      raise pictures.PictureError(f"{self.place}: {index} is bad")
    return self.examples[index]


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
  return image_shards.write_dataset(str(folder), sources, **arguments)


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


def test_pictures_of_other_sizes_are_fitted_once(tmp_path):
  large = example(4, shape=(20, 40))
  write(tmp_path, train=[large])
  block = image_records.open_dataset(str(tmp_path)).split("train").read([0])
  expected = crops.fit(large, (10, 14))
  assert (block["rgb"][0] == expected["rgb"]).all()
  assert (block["semseg"][0] == expected["semseg"]).all()


def test_many_classes_take_two_bytes(tmp_path):
  names = tuple(f"class {i}" for i in range(920))
  labels = np.arange(140).reshape(10, 14) * 6 - 1
  sources = [Examples([{"semseg": labels}], class_names=names)]
  image_shards.write_dataset(
    str(tmp_path), {"train": sources, "eval": sources}, shape=(10, 14)
  )
  dataset = image_records.open_dataset(str(tmp_path))
  block = dataset.split("train").read([0])
  assert (block["semseg"][0] == labels).all()
  assert set(block) == {"semseg", "has_semseg"}


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


def test_shards_in_any_number_hold_the_same_rows(tmp_path, monkeypatch):
  train = [example(i) for i in range(7)]
  write(tmp_path / "one", train)
  monkeypatch.setattr(image_shards, "_EXAMPLES_A_SHARD", 3)
  info = write(tmp_path / "three", train)
  assert info.shard_rows["train"] == (3, 3, 1)
  blocks = []
  for name in ("one", "three"):
    dataset = image_records.open_dataset(str(tmp_path / name))
    dataset.verify()
    blocks.append(dataset.split("train").read([6, 2, 3, 0]))
  assert all((blocks[0][n] == blocks[1][n]).all() for n in ("rgb", "semseg"))


def test_several_sources_are_one_split(tmp_path, monkeypatch):
  monkeypatch.setattr(image_shards, "_EXAMPLES_A_SHARD", 3)
  first = [example(i, ("rgb", "semseg")) for i in range(4)]
  second = [example(i, ("rgb", "depth")) for i in range(4, 9)]
  sources = [Examples(first, "first"), Examples(second, "second")]
  info = image_shards.write_dataset(
    str(tmp_path), {"train": sources, "eval": sources[1:]}, shape=(10, 14)
  )
  assert info.rows == {"train": 9, "eval": 5}
  assert info.sources[0] == "train: first, 4 examples, abc"
  source = image_records.open_dataset(str(tmp_path)).split("train")
  block = source.read(range(9))
  assert block["has_semseg"].tolist() == [True] * 4 + [False] * 5
  expected = np.stack([e["rgb"] for e in first + second])
  assert (block["rgb"] == expected).all()


def test_a_stopped_run_goes_on(tmp_path, monkeypatch):
  monkeypatch.setattr(image_shards, "_EXAMPLES_A_SHARD", 2)
  train = [example(i) for i in range(6)]
  whole = write(tmp_path / "whole", train)

  class Stopping(Examples):
    limit = 5

    def read(self, index):
      if index >= self.limit:
        raise KeyboardInterrupt
      reads.append(index)
      return super().read(index)

  source, folder, reads = Stopping(train), tmp_path / "stopped", []
  splits = {"train": [source], "eval": [Examples([example(9)])]}
  arguments = {"shape": (10, 14)}
  with pytest.raises(KeyboardInterrupt):
    image_shards.write_dataset(str(folder), splits, **arguments)
  assert not (folder / "dataset.json").exists()
  assert not list(folder.glob("*incomplete*"))
  with pytest.raises(errors.InputError, match="holds no complete dataset"):
    image_records.open_dataset(str(folder))
  with pytest.raises(errors.InputError, match=r"made with size = \[10, 14\]"):
    image_shards.write_dataset(str(folder), splits, shape=(14, 10))
  source.limit, reads[:] = 6, []
  info = image_shards.write_dataset(str(folder), splits, **arguments)
  assert reads == [4, 5]
  assert info.shard_digests["train"] == whole.shard_digests["train"]
  image_records.open_dataset(str(folder)).verify()
  # Complete: nothing is read again.
  image_shards.write_dataset(str(folder), splits, **arguments)
  assert reads == [4, 5]
  with pytest.raises(errors.InputError, match="a dataset made with if_bad ="):
    image_shards.write_dataset(str(folder), splits, if_bad="skip", **arguments)


def test_bad_examples_are_skipped_counted_and_named(tmp_path, capsys):
  train = [example(0), BAD, example(2), BAD]
  info = write(tmp_path / "skip", train, if_bad="skip")
  assert info.rows["train"] == 2
  assert info.skipped == {"train": 2, "eval": 0}
  output = capsys.readouterr().out
  assert "train: 2 bad examples were skipped, such as" in output
  assert "here: 1 is bad" in output
  with pytest.raises(pictures.PictureError, match="here: 1 is bad"):
    write(tmp_path / "fail", train)
  with pytest.raises(
    errors.InputError, match="train has 0 rows.* here: 0 is b"
  ):
    write(tmp_path / "none", [BAD], if_bad="skip")


def test_a_shard_may_be_left_without_a_row(tmp_path, monkeypatch):
  monkeypatch.setattr(image_shards, "_EXAMPLES_A_SHARD", 2)
  train = [example(0), example(1), BAD, BAD, example(4)]
  info = write(tmp_path, train, if_bad="skip")
  assert info.shard_rows["train"] == (2, 0, 1)
  dataset = image_records.open_dataset(str(tmp_path))
  dataset.verify()
  block = dataset.split("train").read([2, 0])
  assert (block["rgb"][0] == train[4]["rgb"]).all()


def test_sources_and_examples_that_do_not_fit_are_refused(tmp_path):
  two = {"train": [Examples([example(0)])], "eval": [Examples([example(0)])]}
  other = Examples([example(0)], "there", class_names=("d",))
  for splits, shape, text in [
    ({**two, "eval": [other]}, (10, 14), r"here has 3 \(a, .*there has 1 \(d"),
    ({"train": two["train"]}, (10, 14), r"splits: \['train'\] are not"),
    (two, (4, 14), r"size: \(4, 14\) is not in 8 to 2048"),
    ({"train": [], "eval": []}, (10, 14), "sources: none are given"),
  ]:
    with pytest.raises(errors.InputError, match=text):
      image_shards.write_dataset(str(tmp_path), splits, shape=shape)
  good = example(0)
  for i, (wrong, text) in enumerate(
    [
      ({"semseg": good["semseg"] + 1}, "labels from 0 to 3; -1 to 2 are legal"),
      ({"depth": good["depth"] * 1e6}, "depth: has .*; at most 65504"),
      ({"normals": good["normals"] * 3}, "normals: have components outside"),
      ({"rgb": good["rgb"][..., :2]}, r"rgb: is not uint8 \[H, W, 3\]"),
      ({"label": np.int32(2)}, "label: 2 is not in 0 to 1"),
    ]
  ):
    with pytest.raises(errors.InputError, match=text):
      write(tmp_path / str(i), [{**good, **wrong}])


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


@pytest.mark.parametrize(
  ("name", "value", "text"),
  [
    ("schema_version", 2, "schema_version is 2; a dataset of pictures has"),
    ("height", -1, "height is -1; it must be a whole number from 0"),
    ("height", 0, "height is 0, which no dataset of pictures"),
    ("modalities", ["rgb", "sound"], "modalities is"),
    ("modalities", "rgb", "modalities is 'rgb'; it must be a list"),
    ("class_names", [], r"class_names is \(\), which"),
    ("rows", {"train": 4}, "rows is"),
    ("shard_rows", {"train": [1], "eval": [1]}, "shard_rows is"),
    ("width", 15, "digest is"),
    ("shard_digests", {"a": [], "b": []}, "shard_digests is"),
    ("with_modality", {}, "with_modality is"),
    ("digest", None, "has no digest"),
  ],
)
def test_a_dataset_json_that_is_wrong_names_what(tmp_path, name, value, text):
  write(tmp_path)
  file = tmp_path / "dataset.json"
  content = json.loads(file.read_text())
  content[name] = value
  if value is None:
    content.pop(name)
  file.write_text(json.dumps(content))
  with pytest.raises(errors.InputError, match=text):
    image_records.open_dataset(str(tmp_path))


def test_a_dataset_json_that_is_no_json(tmp_path):
  for content, text in (("{", "is not JSON"), ("[]", "is no JSON object")):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(errors.InputError, match=text):
      image_info.read(str(tmp_path))
  with pytest.raises(errors.InputError, match=r"is no folder .*prepare"):
    image_records.open_dataset(str(tmp_path / "none"))


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
  image_shards.write_dataset(str(tmp_path), sources, shape=(32, 32))
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


@pytest.mark.skipif(
  not (CAMVID.exists() and TUM.exists()), reason=f"no {CAMVID} or no {TUM}"
)
def test_one_dataset_of_camvid_and_tum(tmp_path):
  splits = {
    name: [
      image_folders.camvid(str(CAMVID), "val"),
      image_folders.tum_rgbd(str(TUM), "val"),
    ]
    for name in ("train", "eval")
  }
  info = image_shards.write_dataset(str(tmp_path), splits, shape=(96, 128))
  dataset = image_records.open_dataset(str(tmp_path))
  dataset.verify()
  assert info.rows["train"] == 51 + 44
  assert info.with_modality["train"] == {"rgb": 95, "depth": 44, "semseg": 51}
  block = dataset.split("train").read([0, 94])
  assert block["has_semseg"].tolist() == [True, False]
  assert block["has_depth"].tolist() == [False, True]
  assert 0.05 < np.isnan(block["depth"][1]).mean() < 0.6
  assert 0.5 < np.nanmean(block["depth"][1]) < 5
