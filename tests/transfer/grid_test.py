"""Many runs in one folder: resumed, and refused where they do not fit."""

import json

import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.transfer import grid

PRETRAINED = {"workdir": "/somewhere", "init": "run", "step": 10, "seed": 0}


class Task:
  name, digest = "SST-2", "abc"


class Tuner:
  """Stands in for `FineTuner`."""

  calls = []

  def __init__(self, task, encoder, config):
    self.task = task

  def run(self, seed, num_examples, folder):
    assert list(folder.iterdir()) == []
    self.calls.append((seed, num_examples))
    if seed == 13:
      (folder / "log.txt").write_text("begun")
      raise KeyboardInterrupt
    return {
      "task": "SST-2", "seed": seed, "num_examples": num_examples,
      "score_name": "accuracy", "score": 0.5, "select_score": None, "step": 1,
      "num_steps": 1, "seconds": 0.1, "data_digest": Task.digest,
    }  # fmt: skip


@pytest.fixture
def run(monkeypatch, tmp_path, config):
  monkeypatch.setattr(grid, "FineTuner", Tuner)
  Tuner.calls.clear()

  def call(seeds=(0, 1), sizes=(8, 0), pretrained=PRETRAINED, task=Task):
    jobs = grid.jobs_of(["SST-2"], sizes, seeds)
    manifest = grid.manifest_of(pretrained, config)
    grid.run(jobs, {"SST-2": task}, None, config, manifest, tmp_path / "out")

  call.workdir = tmp_path / "out"
  return call


def test_what_lies_in_the_folder(run, capsys):
  run()
  assert Tuner.calls == [(0, 8), (1, 8), (0, 0), (1, 0)]
  found = {
    str(file.relative_to(run.workdir))
    for file in run.workdir.rglob("result.json")
  }
  assert found == {
    f"SST-2/{size}/seed{seed}/result.json"
    for size in ("8", "all")
    for seed in (0, 1)
  }
  manifest = json.loads((run.workdir / "manifest.json").read_text())
  assert manifest["kind"] == "finetune"
  assert manifest["pretrained"] == PRETRAINED
  assert manifest["config"]["batch_size"] == 16
  assert "best primary score on a fixed 50%" in manifest["selection"]
  assert {"versions", "device_kinds"} < set(manifest)
  lines = capsys.readouterr().out.splitlines()
  assert lines[-1].startswith("[4/4] SST-2      all seed 1  accuracy 0.500")
  assert lines[-1].endswith("0:00 left")


def test_what_is_finished_is_not_run_again(run, capsys):
  with pytest.raises(KeyboardInterrupt):
    run(seeds=(0, 13, 1), sizes=(8,))
  begun = run.workdir / "SST-2/8/seed13"
  assert begun.exists()
  assert not (begun / "result.json").exists()
  before = list(Tuner.calls)
  run(seeds=(0, 1), sizes=(8,))
  assert Tuner.calls == [*before, (1, 8)]
  assert "1 of 2 runs are finished" in capsys.readouterr().out


def test_other_settings_are_refused_by_name(run, config):
  run()
  config.batch_size = 8
  with pytest.raises(InputError, match="config.batch_size is 16, not 8"):
    run()
  config.batch_size = 16
  with pytest.raises(InputError, match="pretrained.step is 10, not 20"):
    run(pretrained=PRETRAINED | {"step": 20})


def test_other_data_are_refused(run):
  run()

  class Other(Task):
    digest = "xyz"

  with pytest.raises(InputError, match="is of other data"):
    run(seeds=(7,), task=Other)


def test_a_folder_of_something_else_is_refused(run):
  run.workdir.mkdir()
  (run.workdir / "notes.txt").write_text("mine")
  with pytest.raises(InputError, match="holds files but no manifest.json"):
    run()
