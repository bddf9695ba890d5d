"""TensorBoard's files hold the rows of metrics.jsonl, and know of restarts."""

import importlib.util
import json
import math

import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.storage import event_files
from taskrobust_jax.train import build, loop
from taskrobust_jax.train.folder import RunFolder
from tests.train import toy

needs_tensorflow = pytest.mark.skipif(
  importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow"
)


def scalars(folder):
  """(step, name) -> value, as TensorBoard shows it."""
  from tensorboard.backend.event_processing import event_accumulator

  read = event_accumulator.EventAccumulator(str(folder))
  read.Reload()
  return {
    (event.step, name): event.value
    for name in read.Tags()["scalars"]
    for event in read.Scalars(name)
  }


def trained(folder, writer="tensorboard", **changes):
  experiment = toy.small_experiment(log_writer=writer, **changes)
  with RunFolder(folder, experiment) as opened:
    assert loop.train(experiment, opened) == 0
  lines = (folder / "metrics.jsonl").read_text().splitlines()
  return {
    (row["step"], name): value
    for row in map(json.loads, lines)
    for name, value in row.items()
    if name != "step" and value is not None
  }


def test_tensorboard_shows_the_rows_of_the_run(tmp_path):
  rows = trained(tmp_path / "run")
  shown = scalars(tmp_path / "run/tensorboard")
  assert shown.keys() == rows.keys()
  assert shown == pytest.approx(rows, rel=1e-6)


def test_what_a_run_went_back_over_is_left_out(tmp_path):
  first = event_files.EventFile(tmp_path, 0)
  for step in (5, 10, 15):
    first.write(step, {"loss": 1.0, "other": math.nan})
  first.close()
  again = event_files.EventFile(tmp_path, 10)
  again.write(15, {"loss": 2.0})
  again.close()
  assert scalars(tmp_path) == {(5, "loss"): 1, (10, "loss"): 1, (15, "loss"): 2}


def test_nothing_is_written_if_not_wanted(tmp_path):
  trained(tmp_path / "run", "none")
  assert not (tmp_path / "run/tensorboard").exists()


def test_the_writer_is_no_part_of_a_runs_identity():
  one = build.identity_of(toy.config(log_writer="none"))
  assert one == build.identity_of(toy.config())


def test_an_unknown_writer_is_named(monkeypatch):
  with pytest.raises(InputError, match="log_writer must be in .*got 'wandb'"):
    build.build(toy.config(log_writer="wandb"), toy.Dataset())
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(InputError, match="'clu' needs TensorFlow: pip install"):
    event_files.check_writer("clu")


@pytest.mark.tensorflow
@needs_tensorflow
def test_clu_writes_rows_progress_and_a_profile(tmp_path):
  rows = trained(tmp_path / "run", "clu", num_steps=30)
  files = [file.name for file in (tmp_path / "run/tensorboard").rglob("*")]
  assert any("tfevents" in name for name in files)
  assert any(name.endswith(".xplane.pb") for name in files)
  shown = scalars(tmp_path / "run/tensorboard")
  from tensorboard.backend.event_processing import event_accumulator
  from tensorboard.util import tensor_util

  read = event_accumulator.EventAccumulator(str(tmp_path / "run/tensorboard"))
  read.Reload()
  shown |= {
    (event.step, name): float(tensor_util.make_ndarray(event.tensor_proto))
    for name in read.Tags()["tensors"]
    for event in read.Tensors(name)
    if name in {key for _, key in rows}
  }
  for key, value in rows.items():
    assert shown[key] == pytest.approx(value, rel=1e-6)
