"""A run's folder: made new, opened again, refused by name."""

from importlib import metadata
import json
import os
import pathlib
import re
import tempfile

import pytest

from taskrobust_jax import lock
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.compare import differences
from taskrobust_jax.train.folder import RunFolder, read_manifest
from tests.train import toy


@pytest.fixture(scope="module")
def experiment():
  return toy.small_experiment()


def open_and_close(path, experiment):
  RunFolder(path, experiment).close()


def content(path):
  return {
    str(file.relative_to(path)): file.read_bytes()
    for file in path.rglob("*")
    if file.is_file()
  }


def refused(path, experiment):
  """The message, seen that nothing was changed."""
  before = content(path)
  with pytest.raises(InputError) as caught:
    RunFolder(path, experiment)
  assert content(path) == before
  assert str(path) in str(caught.value)
  return str(caught.value)


def test_a_new_folder_has_a_manifest(tmp_path, experiment):
  path = tmp_path / "a/b"
  open_and_close(path, experiment)
  manifest = read_manifest(path)
  assert manifest["config"] == experiment.identity["config"]
  assert manifest["data_digest"] == "toy"
  assert manifest["task_names"] == ["first", "second", "rare"]
  assert manifest["seed"] == 0
  assert len(manifest["devices"]) == 8
  assert {"python", "jax", "orbax-checkpoint"} <= manifest["versions"].keys()
  assert sorted(os.listdir(path)) == [
    "checkpoints",
    "manifest.json",
    "metrics.jsonl",
    "timing.jsonl",
  ]


def test_the_same_run_opens_it_again_on_any_mesh(tmp_path, experiment):
  open_and_close(tmp_path, experiment)
  (tmp_path / "metrics.jsonl").write_text('{"step": 0}\n')
  before = content(tmp_path)
  open_and_close(tmp_path, experiment)
  open_and_close(tmp_path, toy.small_experiment(mesh__data=2, mesh__fsdp=4))
  assert content(tmp_path) == before


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"seed": 1}, "config.seed is 0, not 1"),
    ({"optimizer__b2": 0.9}, "config.optimizer.b2 is 0.999, not 0.9"),
    (
      {"text": "strategy=uniform"},
      "config.minimax.strategy is 'mirror_ascent', not 'uniform'",
    ),
    ({"text": "strategy=uniform"}, "config.minimax.step_size is 0.1, not None"),
  ],
)
def test_another_config_is_refused_with_what_differs(
  tmp_path, experiment, changes, message
):
  open_and_close(tmp_path, experiment)
  found = refused(tmp_path, toy.small_experiment(**changes))
  assert "holds another run" in found
  assert message in found


def test_another_dataset_and_other_tasks_are_refused(tmp_path, experiment):
  open_and_close(tmp_path, experiment)
  for name, value, message in (
    ("data_digest", "other", "data_digest is 'toy', not 'other'"),
    ("task_names", ["first"], "'rare'], not ['first']"),
  ):
    identity = experiment.identity | {name: value}
    other = experiment._replace(identity=identity)
    assert message in refused(tmp_path, other)


@pytest.mark.parametrize("version", [None, 0, "1"])
def test_a_run_of_code_with_other_results_is_not_continued(
  tmp_path, experiment, version
):
  open_and_close(tmp_path, experiment)
  file = tmp_path / "manifest.json"
  manifest = json.loads(file.read_text()) | {"results_version": version}
  if version is None:  # As manifests of before.
    del manifest["results_version"]
  file.write_text(json.dumps(manifest))
  message = refused(tmp_path, experiment)
  assert f"other results (results_version {version}, here" in message


def test_two_runs_in_one_folder(tmp_path, experiment, monkeypatch):
  monkeypatch.setattr(lock, "GRACE", 0.1)
  with RunFolder(tmp_path, experiment):
    message = refused(tmp_path, experiment)
    assert f"is in use by process {os.getpid()} on" in message
    assert re.search(r"for \d+ s; wait for it", message)
  open_and_close(tmp_path, experiment)


def test_a_folder_that_cannot_be_opened_is_left_free(tmp_path, experiment):
  open_and_close(tmp_path, experiment)
  (tmp_path / "metrics.jsonl").unlink()
  (tmp_path / "metrics.jsonl").mkdir()
  with pytest.raises(InputError, match="cannot be written"):
    RunFolder(tmp_path, experiment)
  assert lock.owner_of(tmp_path) == ""


def test_a_run_that_lost_its_folder_saves_nothing(tmp_path, experiment):
  folder = RunFolder(tmp_path, experiment)
  (tmp_path / lock.LOCK).unlink()
  with pytest.raises(OSError, match="no longer this process's lock"):
    folder.save(experiment.init_state(), {}, {}, is_last=False)
  folder.close()
  assert list((tmp_path / "checkpoints").iterdir()) == []


def test_what_a_run_does_about_its_disk_is_no_part_of_it(tmp_path, experiment):
  open_and_close(tmp_path, experiment)
  other = toy.small_experiment(
    checkpoint__on_error="continue", optimizer__max_non_finite_in_a_row=7
  )
  assert (other.on_error, other.max_non_finite_in_a_row) == ("continue", 7)
  open_and_close(tmp_path, other)


def test_a_folder_with_other_files_is_refused(tmp_path, experiment):
  (tmp_path / "thesis.tex").write_text("x")
  assert "holds files but no manifest.json" in refused(tmp_path, experiment)


def test_a_kill_while_the_manifest_is_written_does_no_harm(
  tmp_path, experiment
):
  (tmp_path / "manifest.json.tmp").write_text('{"config"')
  open_and_close(tmp_path, experiment)
  assert not (tmp_path / "manifest.json.tmp").exists()
  assert read_manifest(tmp_path)["data_digest"] == "toy"


@pytest.mark.parametrize(
  "garbage", [b"", b"{", b"[]", b'{"config": 3}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_garbage_manifest_is_named(tmp_path, experiment, garbage):
  (tmp_path / "manifest.json").write_bytes(garbage)
  message = refused(tmp_path, experiment)
  assert "manifest.json cannot be read" in message


def test_a_manifest_of_something_else_is_another_run(tmp_path, experiment):
  (tmp_path / "manifest.json").write_text('{"config": {"seed": 3}}')
  message = refused(tmp_path, experiment)
  assert "config.seed is 3, not 0" in message
  assert "data_digest is None, not 'toy'" in message


def test_no_manifest_is_no_run(tmp_path):
  with pytest.raises(InputError, match="is no run: it has no manifest.json"):
    read_manifest(tmp_path)


def test_a_folder_below_a_file_is_refused(tmp_path, experiment):
  (tmp_path / "file").write_text("x")
  with pytest.raises(InputError, match="file/run cannot be written"):
    RunFolder(tmp_path / "file/run", experiment)
  with pytest.raises(InputError, match="file cannot be written"):
    RunFolder(tmp_path / "file", experiment)


@pytest.fixture
def read_only(monkeypatch):
  """Makes folders read-only; the superuser becomes nobody meanwhile."""
  # Nobody may not be let into the folder that holds the packages.
  monkeypatch.setattr(metadata, "version", lambda name: "unread")
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder)
    path.chmod(0o755)
    (path / "run").mkdir()
    is_root = os.geteuid() == 0

    def apply():
      (path / "run").chmod(0o555)
      if is_root:
        os.seteuid(65534)
      return path / "run"

    yield apply, path / "run"
    if is_root:
      os.seteuid(0)
    (path / "run").chmod(0o755)


def test_a_read_only_folder_is_refused(read_only, experiment):
  apply, path = read_only
  apply()
  assert "cannot be written" in refused(path, experiment)
  with pytest.raises(InputError, match="run/new cannot be written"):
    RunFolder(path / "new", experiment)


def test_a_run_in_a_folder_turned_read_only_is_refused(read_only, experiment):
  apply, path = read_only
  open_and_close(path, experiment)
  for file in path.iterdir():
    file.chmod(0o555)
  apply()
  assert "cannot be written" in refused(path, experiment)


def test_differences_go_into_every_section():
  there = {"a": 1, "b": {"c": [1, 2], "d": None}, "gone": 0}
  here = {"a": 1, "b": {"c": [1, 3], "d": None}, "new": json.loads("{}")}
  assert differences(there, here) == [
    "b.c is [1, 2], not [1, 3]",
    "gone is 0, not None",
    "new is None, not {}",
  ]
  assert differences(there, there) == []
