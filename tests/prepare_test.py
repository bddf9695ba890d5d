"""The program `prepare`: a dataset, or one line and the exit code 2."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests import programs

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = """
import ml_collections

from taskrobust_jax import errors


def get_config(kind=""):
  if kind == "refused":
    raise errors.InputError("kind: 'refused' is not one of ''")
  config = ml_collections.ConfigDict()
  config.data = dict(
    source="text_files",
    train_path="{folder}/*.txt",
    eval_path="",
    tagger="pattern",
    vocabulary_size=100,
    row_length=32,
    eval_share=0.5,
    digest="",
  )
  config.broken = config.nothing if kind == "broken" else 0
  return config.lock()
"""


def run(folder, *arguments):
  (folder / "config.py").write_text(CONFIG.format(folder=folder))
  for name in ("a", "b"):
    (folder / f"{name}.txt").write_text(
      f"They ran, and dog {name} ran after.\n" * 9
    )
  return subprocess.run(
    [sys.executable, "-m", "taskrobust_jax.prepare", *arguments],
    cwd=folder,
    env={**os.environ, "PYTHONPATH": str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )


def test_prepare_writes_a_dataset_and_tells_before_what_it_would(tmp_path):
  flags = ("--config=config.py", "--data_dir=made/here")
  result = run(tmp_path, *flags, "--dry_run")
  assert result.returncode == 0, result.stderr
  assert "text_files, 2 files, 0.0 MB\n" in result.stdout
  assert f"{tmp_path}/made/here: would be made\n" in result.stdout
  assert not (tmp_path / "made").exists()
  result = run(tmp_path, *flags)
  assert result.returncode == 0, result.stderr
  assert (tmp_path / "made/here/dataset.json").exists()
  assert f"wrote {tmp_path}/made/here/dataset.json" in result.stdout


def test_verify_reads_it_again(tmp_path):
  run(tmp_path, "--config=config.py", "--data_dir=made")
  result = run(tmp_path, "--verify", "--data_dir=made")
  assert result.returncode == 0, result.stderr
  assert "rows are fine, digest " in result.stdout


def test_a_tagger_is_trained_offline(tmp_path):
  programs.write_treebank(tmp_path / "gold.conllu", 2)
  result = run(tmp_path, "--train_tagger=gold.conllu", "--tagger_path=t.json")
  assert result.returncode == 0, result.stderr
  assert f"wrote {tmp_path}/t.json" in result.stdout


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--config=config.py"], "--data_dir must have a value"),
    (["--verify"], "--data_dir must have a value"),
    (["--train_tagger=x"], "--tagger_path must have a value"),
    ([], "--config must have a value"),
    (["--config=config.py", "--eval_tagger=x"], "--train_tagger trains"),
    (["--config=config.py", "--beam_options=x"], "is for --runner=beam"),
    (["--verify", "--data_dir=none"], "none is no folder"),
    (["--config=config.py", "--num_workers=0"], "num_workers: 0 is below 1"),
    (["--config=config.py", "--runner=spark"], "--runner=spark"),
    (["--config=config.py", "--runner=beam"], "requirements-beam.txt"),
    (["--config=config.py", "--tagger_path=x"], "data.tagger_path=x"),
    (["--config=none.py"], "none.py"),
    (["--config=config.py", "--config.data.sorce=x"], 'Did you mean "source"'),
    (["--config=config.py", "--config.data.row_length=x"], "row_length=x"),
    (["--config=config.py", "--config.data.row_length=7"], "row_length: 7 is"),
    (["--config=config.py:refused"], "kind: 'refused' is not one of"),
    (["--config=config.py", "--data_dri=x"], "Did you mean: data_dir"),
    (["--config=config.py", "more"], "unexpected argument 'more'"),
  ],
)
def test_bad_input_is_one_line_and_code_2(tmp_path, arguments, message):
  is_whole = "data_dir must" in message or "--tagger_path must" in message
  if not is_whole and "--data_dir=none" not in arguments:
    arguments = [*arguments, "--data_dir=data"]
  result = run(tmp_path, *arguments)
  assert result.returncode == 2, result.stderr
  assert result.stderr.startswith("error: ")
  assert message in result.stderr
  assert len(result.stderr.splitlines()) == 1


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
  monkeypatch.setenv("HOME", str(tmp_path))
  (tmp_path / "data").mkdir()
  file = tmp_path / "data/dataset.json"
  file.write_text('{"schema_version": "pictures-0"}')
  result = run(tmp_path, "--verify", "--data_dir=~/data")
  assert "a dataset of pictures has 'pictures-1'" in result.stderr


def test_a_fault_in_the_configs_own_code_keeps_its_traceback(tmp_path):
  result = run(tmp_path, "--config=config.py:broken", "--data_dir=data")
  assert result.returncode == 1
  assert "Traceback" in result.stderr
