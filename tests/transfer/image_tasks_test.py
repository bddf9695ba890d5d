"""Tasks of pictures: what their rows hold, settings that fit none, runs."""

import types

import jax
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.models import multimae
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.patches import to_patches
from taskrobust_jax.train import loaded, sharding, suites
from taskrobust_jax.transfer import (
  fine_tuning,
  image_rows,
  image_tasks,
  kinds,
  neighbours,
)
from tests import tiny_mae
from tests.data import real
from tests.data.pictures import picture_files
from tests.transfer import image_cases

SIZE = image_cases.SIZE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """classes/, camvid/, tum/ and a model that was never trained."""
  path = tmp_path_factory.mktemp("pictures")
  image_cases.write(path)
  tiny_mae.write(path / "model")
  return path


@pytest.fixture(scope="module")
def model(folder):
  return loaded.load(folder / "model")


@pytest.fixture(scope="module")
def encoder(folder, model):
  return kinds.open_downstream(model, image_cases.config(folder), "").encoder


@pytest.fixture
def one_device(monkeypatch):
  """What is compiled for one is compiled sooner."""
  make_mesh = sharding.make_mesh
  monkeypatch.setattr(
    sharding,
    "make_mesh",
    lambda **arguments: make_mesh(devices=jax.devices()[:1]),
  )


def make(name, config):
  return image_tasks.make_task(
    name, config, width=16, image_size=SIZE, num_rows=tiny_mae.ROWS
  )


def test_what_rows_hold(folder):
  config = image_cases.config(folder)
  classes = make("tiny_imagenet", config)
  assert (len(classes.train), len(classes.eval)) == (24, 16)
  assert classes.classes.tolist() == [0] * 12 + [1] * 12
  rows = classes.train.read([0, 13, 0])
  assert rows["rgb"].shape == (3, SIZE, SIZE, 3)
  assert rows["rgb"].dtype == np.uint8
  assert rows["label"].tolist() == [0, 1, 0]
  is_blue = rows["rgb"][:, 0, 0, 2] > rows["rgb"][:, 0, 0, 0]
  assert is_blue.tolist() == [False, True, False]

  camvid = make("camvid", config)
  rows = camvid.train.read([1])
  assert set(np.unique(rows["label"][0, 0])) == {-1}
  is_blue = rows["rgb"][0, 1:, :, 2] > rows["rgb"][0, 1:, :, 0]
  np.testing.assert_array_equal(rows["label"][0, 1:], is_blue)
  assert camvid.classes is None

  depth = make("tum_depth", config)
  rows = depth.train.read([1])
  assert np.isnan(rows["label"][0, 0]).all()
  is_blue = rows["rgb"][0, 1:, :, 2] > rows["rgb"][0, 1:, :, 0]
  np.testing.assert_array_equal(rows["label"][0, 1:], 1 + 2 * is_blue)
  assert depth.objective.deviation == pytest.approx(1, abs=0.05)
  assert len({classes.digest, camvid.digest, depth.digest}) == 3


def test_a_folder_of_ones_own(folder, tmp_path):
  files = {
    f"{split}/{name}/{i}.png": make(i)
    for split in ("train", "val")
    for i in range(3)
    for name, make in (
      ("rgb", picture_files.rgb),
      ("semseg", picture_files.semseg),
    )
  }
  picture_files.write_folder(tmp_path, files)
  config = image_cases.config(folder)
  with config.unlocked():
    config.pictures.mine = {
      "source": f"multimodal_folder={tmp_path}",
      "target": "segmentation",
    }
  config.multimodal_folder.update(
    modalities=("rgb", "semseg"), class_names=("a", "b", "c")
  )
  task = make("mine", config)
  assert task.objective.num_classes == 3
  assert set(np.unique(task.train.read([0])["label"])) == {0, 1, 2}


def test_scenes_are_others_than_those_of_pre_training(folder):
  config = image_cases.config(folder)
  task = make("scenes_depth", config)
  assert (len(task.train), len(task.eval)) == (8, 8)
  digest = task.digest
  config.scenes.seed = 0
  other = make("scenes_depth", config)
  assert other.digest != digest
  assert (other.train.read([0])["rgb"] != task.train.read([0])["rgb"]).any()


def test_normals_of_scenes_are_unit_vectors(folder):
  task = make("scenes_normals", image_cases.config(folder))
  label = task.train.read([0, 5])["label"]
  assert (label.dtype, label.shape) == (np.float32, (2, SIZE, SIZE, 3))
  is_known = np.isfinite(label)
  np.testing.assert_array_equal(is_known.all(-1), is_known.any(-1))
  assert 0.2 < is_known.mean() < 1  # The sky has none.
  length = np.linalg.norm(label, axis=-1)[is_known.all(-1)]
  np.testing.assert_allclose(length, 1, atol=1e-5)
  assert task.objective.score_name == "within_11_25"


class Source:
  """Examples with one label."""

  place, modalities, class_names = "made", ("rgb", "depth", "normals"), ()
  label_names = ("a", "b")

  def __init__(self, **features):
    self.features, self.reads = features, 0

  def __len__(self):
    return 4

  def fingerprint(self):
    return "made"

  def read(self, index):
    self.reads += 1
    return {"rgb": np.zeros((20, 12, 3), np.uint8), **self.features}


def test_rows_are_read_once_and_fitted():
  source = Source(label=1)
  rows = image_rows.PictureRows(source, "classes", 8)
  assert rows.read([1, 3, 1])["rgb"].shape == (3, 8, 8, 3)
  rows.read([3])
  assert source.reads == 2
  assert rows.classes() is None


def test_a_picture_without_a_label_has_none():
  rows = image_rows.PictureRows(Source(), "classes", 8)
  assert rows.read([0])["label"].tolist() == [-1]
  depth = image_rows.PictureRows(Source(), "depth", 8)
  assert np.isnan(depth.read([0])["label"]).all()
  normals = image_rows.PictureRows(Source(), "normals", 8)
  assert normals.read([0])["label"].shape == (1, 8, 8, 3)
  assert np.isnan(normals.read([0])["label"]).all()


@pytest.mark.parametrize(
  ("target", "features", "message"),
  [
    ("classes", {"label": 2}, "example 0 has labels from 2 to 2; legal are -1"),
    ("classes", {}, "nothing of their labels is known"),
    (
      "depth",
      {"depth": np.zeros((20, 12), np.float32)},
      "4 of 4 examples were looked at, and nothing of their labels is known",
    ),
    ("segmentation", {}, "made has no segmentation: it has the pictures rgb"),
  ],
)
def test_labels_that_cannot_be(target, features, message):
  with pytest.raises(InputError, match=message):
    image_rows.some_known(
      image_rows.PictureRows(Source(**features), target, 8), 10
    )


@pytest.mark.parametrize(
  ("name", "changes", "message"),
  [
    ("camvit", {}, "task 'camvit' is not known; there are camvid, imagenet"),
    ("imagenet_s", {}, "pictures.imagenet_s.source must be given: imagenet_s="),
    ("camvid", {"source": ""}, "pictures.camvid.source must be given: KIND="),
    ("camvid", {"source": "camvit=x"}, "did you mean 'camvid'"),
    ("camvid", {"source": "camvid=/nowhere"}, "/nowhere"),
    ("camvid", {"target": "depth"}, "has no depth: it has the pictures rgb"),
    ("camvid", {"target": "normals"}, "has no normals: it has the pictures"),
    ("camvid", {"target": "pixels"}, "pictures.camvid.target must be in"),
  ],
)
def test_sources_that_are_none(folder, name, changes, message):
  config = image_cases.config(folder)
  config.pictures.camvid.update(changes)
  with pytest.raises(InputError, match=message):
    make(name, config)


@pytest.mark.skipif(
  not (real.FOLDER / "camvid_160x120").exists(),
  reason=f"{real.FOLDER} has no pictures",
)
def test_real_pictures(folder):
  config = image_cases.config(folder)
  for name, kind, place, sizes, num_classes in (
    ("camvid", "camvid", "camvid_160x120", (184, 51), 11),
    ("tum_depth", "tum_rgbd", "tum_fr1_rpy_160x120", (130, 44), 0),
    ("tiny_imagenet", "image_folder", "tiny_imagenet_a", (2000, 500), 20),
  ):
    file = real.FOLDER / place / f"{place}.tar"
    config.pictures[name].source = f"{kind}={file}"
    task = make(name, config)
    assert (len(task.train), len(task.eval)) == sizes
    assert task.train.num_classes == num_classes


def test_a_label_above_the_classes_is_refused(folder, tmp_path):
  files = {}
  for split in ("train", "val"):
    files[f"{split}/images/0.png"] = picture_files.rgb(kind="PNG")
    files[f"{split}/labels/0.png"] = picture_files.encoded(
      np.full((12, 16), 12, np.uint8)
    )
  config = image_cases.config(folder)
  place = picture_files.write_folder(tmp_path, files)
  config.pictures.camvid.source = f"camvid={place}"
  with pytest.raises(InputError, match="labels/0.png .*12"):
    make("camvid", config)


def test_the_encoder_sees_rgb_alone_as_in_pre_training(model, encoder):
  rgb = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
  options = suites.mae_options(**model.model.options)
  _, apply = functional(lambda rngs: multimae.MultiMae(options, rngs))
  num_patches = tiny_mae.ROWS**2
  patches = {
    "depth": np.zeros((2, num_patches, 64), np.float32),
    "rgb": to_patches(rgb.astype(np.float32) / 127.5 - 1, tiny_mae.PATCH),
  }
  # The second of the inputs.
  visible = np.tile(num_patches + np.arange(num_patches), (2, 1))
  expected = jax.jit(apply, static_argnames="method")(
    model.params, patches, visible, method="encode"
  )
  found = jax.jit(encoder.encode)(encoder.params, {"rgb": rgb}, None)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  assert found.shape == (2, 1 + num_patches, 16)
  assert set(encoder.params) == {
    *("embed", "modality", "global_token", "transformer", "norm")
  }


def test_models_of_another_kind_are_refused(folder, model):
  from configs import finetune_glue

  with pytest.raises(InputError, match="configs/finetune_vision.py is"):
    kinds.open_downstream(model, finetune_glue.get_config(), "")
  text = model._replace(model=model.model._replace(kind="bert"))
  with pytest.raises(InputError, match="configs/finetune_glue.py is"):
    kinds.open_downstream(text, image_cases.config(folder), "")
  inputs = {"depth": 64}
  blind = model._replace(
    model=model.model._replace(
      options={**model.model.options, "inputs": inputs}
    )
  )
  with pytest.raises(InputError, match="tasks of pictures need rgb"):
    kinds.open_downstream(blind, image_cases.config(folder), "")


def test_an_illegal_rate_is_named(folder, model):
  config = image_cases.config(folder)
  config.model.drop_path_rate = 1.0
  with pytest.raises(InputError, match=r"drop_path_rate must be in \[0, 1\)"):
    kinds.open_downstream(model, config, "")


def test_neighbours_need_no_training(
  folder, encoder, tmp_path, one_device, monkeypatch
):
  monkeypatch.setattr(fine_tuning.loop, "train", None)
  config = image_cases.config(folder, "neighbours")
  config.num_neighbours = 3
  task = make("tiny_imagenet", config)
  tuner = fine_tuning.FineTuner(task, encoder, config)
  result = tuner.run(0, 8, tmp_path)
  assert (result["step"], result["num_steps"]) == (0, 0)
  assert result["num_train_rows"] == 8
  assert result["score"] > 0.7
  assert "select_score" in result
  neighbours.check_task(task)
  with pytest.raises(InputError, match="needs classes of whole rows"):
    neighbours.check_task(make("camvid", config))


@pytest.mark.parametrize("dtype", [np.float32, jax.numpy.bfloat16])
def test_neighbours_vote_by_their_cosine(dtype):
  train = np.array([[1, 0], [0.9, 0.1], [0, 3], [0, 1], [-1, 0]], np.float32)
  held_out = np.array([[5, 0.1], [0, 0.2], [-2, -1]], np.float32)
  labels = np.array([0, -1, 1, 1, 2])

  class Rows:
    def __init__(self, features, labels):
      self.rows = {"features": features, "label": labels}

    def read(self, indices):
      return {name: values[indices] for name, values in self.rows.items()}

  task = types.SimpleNamespace(
    name="t",
    objective=image_tasks.MixedClassification(),
  )
  found = neighbours.judge(
    task,
    Rows(train.astype(dtype), labels),
    Rows(held_out.astype(dtype), np.array([0, 1, 0])),
    np.arange(5),
    fine_tuning.subsets.Halves(np.array([0]), np.array([1, 2])),
    num_neighbours=2,
  )
  assert found == {"select/accuracy": 1.0, "verdict/accuracy": 0.5}


@pytest.mark.ci
def test_classes_are_learnt(folder, encoder, tmp_path, one_device):
  config = image_cases.config(folder)
  config.num_epochs = 10.0
  config.augmentation.mixup = 0.2
  task = make("tiny_imagenet", config)
  result = fine_tuning.FineTuner(task, encoder, config).run(0, 0, tmp_path)
  assert result["score_name"] == "accuracy"
  assert result["score"] > 0.8
  assert result["step"] in (15, 30)


@pytest.mark.ci
def test_pixels_are_learnt(folder, encoder, tmp_path, one_device):
  config = image_cases.config(folder)
  config.head.cells = 2
  config.optimizer.layer_decay = 1.0
  task = make("camvid", config)
  result = fine_tuning.FineTuner(task, encoder, config).run(0, 0, tmp_path)
  assert result["score_name"] == "miou"
  assert result["score"] > 0.8
  assert set(result["metrics"]) == {"miou", "pixel_accuracy"}
