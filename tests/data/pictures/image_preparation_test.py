"""Sources become splits; what is bad is named; a stop loses nothing."""

import functools
import pathlib

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import (
  crops,
  decoding,
  image_folders,
  image_preparation,
  image_records,
  image_shards,
  scene_dataset,
)
from tests.data.pictures import picture_files
from tests.data.pictures.image_cases import (
  BAD,
  Examples,
  Killing,
  example,
  write,
)

DATA = pathlib.Path(__file__).parents[4] / "shared/data"
CAMVID = DATA / "camvid_160x120/camvid_160x120.tar"
TUM = DATA / "tum_fr1_rpy_160x120/tum_fr1_rpy_160x120.tar"


def test_pictures_of_other_sizes_are_fitted_once(tmp_path):
  large = example(4, shape=(20, 40))
  write(tmp_path, train=[large])
  block = image_records.open_dataset(str(tmp_path)).split("train").read([0])
  expected = crops.fit(large, (10, 14))
  assert (block["rgb"][0] == expected["rgb"]).all()
  assert (block["semseg"][0] == expected["semseg"]).all()


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
  info = image_preparation.prepare(
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
    image_preparation.prepare(str(folder), splits, **arguments)
  assert not (folder / "dataset.json").exists()
  assert not list(folder.glob("*incomplete*"))
  with pytest.raises(errors.InputError, match="holds no complete dataset"):
    image_records.open_dataset(str(folder))
  with pytest.raises(errors.InputError, match=r"made with size = \[10, 14\]"):
    image_preparation.prepare(str(folder), splits, shape=(14, 10))
  source.limit, reads[:] = 6, []
  info = image_preparation.prepare(str(folder), splits, **arguments)
  assert reads == [4, 5]
  assert info.shard_digests["train"] == whole.shard_digests["train"]
  image_records.open_dataset(str(folder)).verify()
  # Complete: nothing is read again.
  image_preparation.prepare(str(folder), splits, **arguments)
  assert reads == [4, 5]


def test_workers_make_the_same_dataset(tmp_path):
  sources = {
    name: [scene_dataset.SceneExamples(3, name, 3, 16)]
    for name in ("train", "eval")
  }
  infos = [
    image_preparation.prepare(
      str(tmp_path / str(n)), sources, shape=(16, 16), num_workers=n
    )
    for n in (1, 2)
  ]
  assert infos[0] == infos[1]
  assert image_records.open_dataset(str(tmp_path / "2")).verify()
  killing = {name: [Killing([example(0)])] for name in ("train", "eval")}
  with pytest.raises(ChildProcessError, match="what is done is kept"):
    image_preparation.prepare(
      str(tmp_path / "killed"), killing, shape=(10, 14), num_workers=2
    )
  with pytest.raises(errors.InputError, match="num_workers: 0 is below 1"):
    write(tmp_path / "none", num_workers=0)


def test_bad_examples_are_skipped_counted_and_named(tmp_path, capsys):
  train = [example(0), BAD, example(2), BAD]
  info = write(tmp_path / "skip", train, if_bad="skip")
  assert info.rows["train"] == 2
  assert info.skipped == {"train": 2, "eval": 0}
  output = capsys.readouterr().out
  assert "train: 2 bad examples were skipped, such as" in output
  assert "here: 1 is bad" in output
  with pytest.raises(errors.InputError, match='leaves out 2 bad .* is "fail"'):
    write(tmp_path / "skip", train)
  with pytest.raises(decoding.PictureError, match="here: 1 is bad"):
    write(tmp_path / "fail", train)
  # What is done is kept.
  assert write(tmp_path / "fail", train, if_bad="skip") == info
  with pytest.raises(
    errors.InputError, match="train has 0 rows.* here: 0 is b"
  ):
    write(tmp_path / "none", [BAD], if_bad="skip")


def test_what_was_skipped_before_a_stop_is_not_left_out(tmp_path):
  class Stopping(Examples):
    def read(self, index):
      raise KeyboardInterrupt

  train, folder = [Examples([example(0), BAD])], str(tmp_path)
  stopping = {"train": train, "eval": [Stopping([example(9)])]}
  with pytest.raises(KeyboardInterrupt):
    image_preparation.prepare(folder, stopping, shape=(10, 14), if_bad="skip")
  splits = {"train": train, "eval": [Examples([example(9)])]}
  with pytest.raises(decoding.PictureError, match="here: 1 is bad"):
    image_preparation.prepare(folder, splits, shape=(10, 14), if_bad="fail")


def test_a_shard_may_be_left_without_a_row(tmp_path, monkeypatch):
  monkeypatch.setattr(image_shards, "_EXAMPLES_A_SHARD", 2)
  train = [example(0), example(1), BAD, BAD, example(4)]
  info = write(tmp_path, train, if_bad="skip")
  assert info.shard_rows["train"] == (2, 0, 1)
  dataset = image_records.open_dataset(str(tmp_path))
  dataset.verify()
  block = dataset.split("train").read([2, 0])
  assert (block["rgb"][0] == train[4]["rgb"]).all()


def test_a_dataset_read_otherwise_is_another_one(tmp_path):
  folder = picture_files.write_folder(
    tmp_path / "raw",
    {
      f"{split}/{name}/0.png": make(0)
      for split in ("train", "val")
      for name, make in (
        ("depth", picture_files.depth),
        ("semseg", picture_files.semseg),
      )
    },
  )

  def prepare(**changes):
    options = {
      "modalities": ("depth", "semseg"),
      "depth_scale": 5_000.0,
      "class_names": ("a", "b", "c"),
      **changes,
    }
    make = functools.partial(image_folders.multimodal_folder, folder, **options)
    splits = {"train": [make("train")], "eval": [make("val")]}
    data_dir = str(tmp_path / "data")
    return image_preparation.prepare(data_dir, splits, shape=(12, 16))

  info = prepare()
  assert prepare() == info
  for changes in (
    {"depth_scale": 1_000.0},
    {"class_names": ("a", "b", "d")},
    {"ignored": 2},
  ):
    with pytest.raises(errors.InputError, match="sources"):
      prepare(**changes)


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
      image_preparation.prepare(str(tmp_path), splits, shape=shape)
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
  info = image_preparation.prepare(str(tmp_path), splits, shape=(96, 128))
  dataset = image_records.open_dataset(str(tmp_path))
  dataset.verify()
  assert info.rows["train"] == 51 + 44
  assert info.with_modality["train"] == {"rgb": 95, "depth": 44, "semseg": 51}
  block = dataset.split("train").read([0, 94])
  assert block["has_semseg"].tolist() == [True, False]
  assert block["has_depth"].tolist() == [False, True]
  assert 0.05 < np.isnan(block["depth"][1]).mean() < 0.6
  assert 0.5 < np.nanmean(block["depth"][1]) < 5
