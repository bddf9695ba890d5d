"""Runs of the masked autoencoder: data, devices, resuming, programs."""

import functools
import shutil

import jax
import numpy as np
import pytest

from configs import multimae_smoke
from taskrobust_jax.data.pictures import (
  image_preparation,
  image_sources,
  scene_dataset,
)
from taskrobust_jax.errors import InputError
from taskrobust_jax.train import build, datasets, loop
from taskrobust_jax.train.folder import RunFolder
from tests import programs
from tests.data.pictures import picture_files
from tests.train.toy import assert_same_bits

SMALL = {
  "num_steps": 4,
  "batch_size": 8,
  "log_every": 1,
  "data.image_size": 32,
  "data.train_rows": 64,
  "data.eval_rows": 16,
  "tasks.patch": 16,
  "tasks.num_visible": 2,
  "tasks.normalise_pixels": True,
  "model.shares_decoder": False,
  "model.encoder.num_layers": 1,
  "model.encoder.width": 16,
  "model.encoder.mlp_width": 16,
  "model.decoder.width": 16,
  "model.decoder.mlp_width": 16,
  "optimizer.warmup_steps": 1,
  "evaluation.every": 2,
  "evaluation.batch_size": 16,
  "checkpoint.every": 2,
}


def config_of(text="", **changes):
  config = multimae_smoke.get_config(text)
  changes = {k.replace("__", "."): v for k, v in changes.items()}
  config.update_from_flattened_dict(SMALL | changes)
  return config


def experiment_of(text="", devices=None, **changes):
  config = config_of(text, **changes)
  return build.build(
    config, datasets.open_dataset(config, None), devices=devices
  )


@functools.cache
def one_device():
  return experiment_of(devices=jax.devices()[:1])


@pytest.mark.ci
def test_eight_devices_give_the_losses_of_one():
  runs = []
  for experiment in (one_device(), experiment_of()):
    state, losses = experiment.init_state(), []
    for step in range(3):
      state, metrics = experiment.train_step(state, experiment.load_batch(step))
      losses.append(np.asarray(metrics.losses))
    runs.append(losses)
  np.testing.assert_allclose(runs[1], runs[0], rtol=1e-5)


@pytest.mark.ci
def test_a_run_goes_on_bit_by_bit(tmp_path):
  experiment = one_device()
  with RunFolder(tmp_path / "whole", experiment) as folder:
    assert loop.train(experiment, folder) == 0
  shutil.copytree(tmp_path / "whole", tmp_path / "cut")
  shutil.rmtree(tmp_path / "cut/checkpoints/4")
  with RunFolder(tmp_path / "cut", experiment) as folder:
    assert loop.train(experiment, folder) == 0
  rows = [
    (tmp_path / name / "metrics.jsonl").read_bytes()
    for name in ("whole", "cut")
  ]
  assert rows[0] == rows[1]
  for task in ("rgb", "hog", "edges", "depth", "normals", "semseg"):
    assert f"eval/loss/{task}".encode() in rows[0]
  states = []
  for name in ("whole", "cut"):
    with RunFolder(tmp_path / name, experiment) as folder:
      states.append(
        folder.checkpoints.restore(
          experiment.state_shapes, experiment.state_sharding, 4
        )
      )
  assert_same_bits(*map(jax.device_get, states))


def test_crops_are_a_function_of_seed_step_and_place():
  config = config_of(data__crop_scale=(0.3, 1.0), data__flip=0.5)
  change_of = datasets.augmentation(config, 32)
  rows = datasets.open_dataset(config, None).split("train").read([0, 1, 0])
  change = lambda step, places: change_of(step)(np.array(places), rows)["rgb"]
  first = change(0, [0, 1, 2])
  np.testing.assert_array_equal(first, change(0, [0, 1, 2]))
  # Another place, another step.
  assert (first[0] != first[2]).any()
  assert (first != change(1, [0, 1, 2])).any()
  np.testing.assert_array_equal(first[0], change(0, [0, 2, 1])[0])
  assert datasets.augmentation(config_of(), 32)(0) is None


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"tasks.kind": "masked_images"}, "tasks.kind must be in"),
    ({"tasks.patch": 12}, "multiple of 8 that divides the image size 32"),
    ({"tasks.num_visible": 4}, r"num_visible must be in \[1, 3\]"),
    ({"tasks.outputs": ("rbg",)}, "unknown modality rbg"),
    ({"data.train_rows": 0}, "data.train_rows must be a whole number >= 1"),
    ({"data.sources": ("camvid=x",)}, "--data_dir must be given for"),
    ({"data.crop_scale": (0.0, 1.0)}, "crop_scale must be 0 < low"),
    ({"data.crop_scale": (0.2,)}, r"crop_scale must be 0 < low.* got \(0.2,\)"),
    ({"data.flip": 2.0}, r"data.flip must be in \[0, 1\]"),
    ({"model.encoder.num_heads": 3}, "model.encoder.width must be a multiple"),
    ({"model.encoder.dropout_rate": 0.1}, "encoder.dropout_rate must be 0"),
    ({"model.decoder.dropout_rate": 0.1}, "decoder.dropout_rate must be 0"),
    ({"model.decoder.dtype": "int8"}, "model.decoder.dtype must be in"),
    ({"optimizer.schedule": "step"}, "optimizer.schedule must be in"),
  ],
)
def test_bad_values_are_named(changes, message):
  with pytest.raises(InputError, match=message):
    experiment_of(**changes)


def test_a_dataset_of_another_kind_is_refused():
  config = config_of()
  scenes = datasets.open_dataset(config, None)
  config.tasks.kind = "masked_language"
  with pytest.raises(InputError, match="but the dataset is not of text"):
    build.build(config, scenes)
  with pytest.raises(InputError, match="--data_dir must be given"):
    datasets.open_dataset(config, None)


def test_pictures_of_another_size_than_the_configs_are_refused(tmp_path):
  config = config_of()
  source = scene_dataset.SceneExamples(0, "train", 1, 32)
  image_preparation.prepare(
    str(tmp_path), {"train": [source], "eval": [source]}, shape=(32, 32)
  )
  datasets.open_dataset(config, str(tmp_path))
  config.data.image_size = 48
  with pytest.raises(InputError, match=r"image_size is 48; the .* have 32"):
    datasets.open_dataset(config, str(tmp_path))


@pytest.mark.ci
def test_sources_that_have_different_things_are_mixed(tmp_path):
  """Road scenes with classes, an office with depth: each counts for its own."""
  files = {"labels": picture_files.semseg, "depth": picture_files.depth}
  folders = {}
  for kind, folder in (("camvid", "labels"), ("tum_rgbd", "depth")):
    folders[kind] = picture_files.write_folder(
      tmp_path / kind,
      {
        f"{split}/{name}/{i}.png": make(i)
        for split in ("train", "val")
        for i in range(4)
        for name, make in (
          ("images", picture_files.rgb),
          (folder, files[folder]),
        )
      },
    )
  config = config_of(
    "outputs=('rgb','depth','semseg')",
    data__sources=tuple(f"{k}={v}" for k, v in folders.items()),
    num_steps=2,
  )
  data = config.data
  sources = image_sources.open_sources(
    data.sources, seed=0, image_size=32, train_rows=1, eval_rows=1
  )
  image_preparation.prepare(str(tmp_path / "data"), sources, shape=(32, 32))
  dataset = datasets.open_dataset(config, str(tmp_path / "data"))
  experiment = build.build(config, dataset, devices=jax.devices()[:1])
  batch = experiment.load_batch(0)
  np.testing.assert_array_equal(batch["has_depth"], ~batch["has_semseg"])
  assert batch["has_rgb"].all()
  state, metrics = experiment.train_step(experiment.init_state(), batch)
  rgb, depth, semseg = np.asarray(metrics.counts)
  # Half of the rows; three values of a pixel, one, one of 16 pixels.
  assert rgb == 8 * 2 * 16**2 * 3
  assert depth == 4 * 2 * 16**2
  assert semseg == 4 * 2 * 4**2
  found = experiment.evaluate(state.params)
  assert all(
    np.isfinite(found[f"eval/loss/{k}"]) for k in experiment.task_names
  )


@pytest.mark.ci
def test_the_programs_prepare_train_and_evaluate_pictures(tmp_path):
  flags = [
    f"--config={programs.ROOT}/configs/multimae_smoke.py",
    *(f"--config.{name}={value}" for name, value in SMALL.items()),
  ]
  data, run = tmp_path / "data", tmp_path / "run"
  code, out, err = programs.run(
    "prepare", *flags, f"--data_dir={data}", "--num_workers=1"
  )
  assert code == 0, err
  code, out, err = programs.run("prepare", "--verify", f"--data_dir={data}")
  assert code == 0, err
  assert "all rows are fine" in out
  code, out, err = programs.run(
    "pretrain", *flags, f"--data_dir={data}", f"--workdir={run}"
  )
  assert code == 0, err
  assert "step 4  held-out" in out
  code, out, err = programs.run(
    "evaluate", f"--workdir={run}", f"--data_dir={data}"
  )
  assert code == 0, err
  assert "semseg" in out
  assert out.count("accuracy") == 1
  code, out, err = programs.run(
    *("reconstruct", run, run, f"--data_dir={data}"),
    *(f"--out={tmp_path}", "--num_images=2"),
  )
  assert code == 0, err
  for i in range(2):
    assert (tmp_path / f"reconstruction_{i}.png").stat().st_size > 10_000
