"""Who makes the shards changes no byte; who is killed costs only time."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.text import (
  blocks,
  corpus,
  preparation,
  records,
  runners,
)

ROOT = pathlib.Path(__file__).parents[3]
# Small blocks, so that there are some to share out.
CODE = """
import sys
from taskrobust_jax.data.text import corpus, preparation
if __name__ == "__main__":
  corpus.BLOCK_CHARACTERS = 3_000
  preparation.prepare(
    sys.argv[1], source="text_files", train_path=sys.argv[2], eval_path="",
    tagger="perceptron", tagger_path=sys.argv[3], vocabulary_size=200,
    row_length=32, eval_share=0.1,
    how=preparation.HowToRun(num_workers=int(sys.argv[4])),
  )
"""
TAGGER = (
  '{"classes": ["NOUN", "VERB"], "tagdict": {},'
  ' "weights": {"i suffix ing": {"VERB": 1}}}'
)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
  folder = tmp_path_factory.mktemp("texts")
  letters = random.Random(0)
  words = ["singing", "birds", "run", "along", "a", "river"]
  for name in ("a.txt", "b.txt"):
    paragraphs = (
      " ".join(letters.choices(words, k=60)) + "." for _ in range(90)
    )
    (folder / name).write_text("\n\n".join(paragraphs))
  (folder / "tagger.json").write_text(TAGGER)
  (folder / "program.py").write_text(CODE)
  return folder


def start(texts, data, workers):
  return subprocess.Popen(
    [
      sys.executable,
      str(texts / "program.py"),
      str(data),
      str(texts / "*.txt"),
      str(texts / "tagger.json"),
      str(workers),
    ],
    env={**os.environ, "PYTHONPATH": str(ROOT)},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


@pytest.fixture(scope="module")
def expected(texts, tmp_path_factory):
  data = tmp_path_factory.mktemp("expected") / "data"
  process = start(texts, data, 1)
  printed, _ = process.communicate(timeout=120)
  assert process.returncode == 0, printed
  return contents(data)


def shards_made(data):
  return len(list(data.glob("unfinished/*.counts.json")))


def contents(folder):
  return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_two_processes_write_the_bytes_of_one(texts, expected, tmp_path):
  process = start(texts, tmp_path / "data", 2)
  printed, _ = process.communicate(timeout=120)
  assert process.returncode == 0, printed
  assert contents(tmp_path / "data") == expected
  assert sum(name.startswith("rows-train") for name in expected) > 10
  lines = [line for line in printed.splitlines() if " blocks, " in line]
  assert lines[-1].split(",")[1] == " 100%"
  assert lines[-1].endswith(" left")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
  texts, expected, tmp_path, workers
):
  data, kills, rng = tmp_path / "data", 0, random.Random(workers)
  while True:
    process = start(texts, data, workers)
    if kills < 3:  # Not near the end: dataset.json would be there.
      # After the next shard or two, or at once.
      wanted = rng.randrange(2) + len(
        list(data.glob("unfinished/*.counts.json"))
      )
      while process.poll() is None:
        if shards_made(data) > wanted:
          time.sleep(rng.random() / 100)
          process.send_signal(signal.SIGKILL)
          break
        time.sleep(0.002)
    printed, _ = process.communicate(timeout=120)
    if process.returncode != -signal.SIGKILL:
      break
    kills += 1
    assert not (data / "dataset.json").exists()
  assert process.returncode == 0, printed
  assert kills >= 2
  assert "goes on: " in printed
  assert "takes over" in printed
  assert contents(data) == expected


def test_processes_end_with_their_program(texts, tmp_path):
  process = start(texts, tmp_path / "data", 2)
  while not shards_made(tmp_path / "data"):
    assert process.poll() is None, process.communicate()
    time.sleep(0.01)
  children = pathlib.Path(
    f"/proc/{process.pid}/task/{process.pid}/children"
  ).read_text()
  assert len(children.split()) >= 2
  process.kill()
  process.communicate()
  limit = time.monotonic() + 30
  while any(pathlib.Path(f"/proc/{pid}").exists() for pid in children.split()):
    assert time.monotonic() < limit
    time.sleep(0.1)


def test_a_process_that_is_killed_is_named(texts, tmp_path):
  process = start(texts, tmp_path / "data", 2)
  while not shards_made(tmp_path / "data"):
    assert process.poll() is None, process.communicate()
    time.sleep(0.01)
  for pid in (
    pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    .read_text()
    .split()
  ):
    if b"spawn_main" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
      os.kill(int(pid), signal.SIGKILL)
  printed, _ = process.communicate(timeout=60)
  assert process.returncode == 1
  assert "ChildProcessError: a process that made rows was ended" in printed


def test_an_error_in_a_process_comes_back(texts, tmp_path, monkeypatch):
  monkeypatch.setattr(corpus, "BLOCK_CHARACTERS", 3_000)
  with pytest.raises(errors.InputError, match=r"\.txt:\d+ has no gold tags"):
    preparation.prepare(
      str(tmp_path / "data"),
      source="text_files",
      train_path=str(texts / "*.txt"),
      eval_path="",
      tagger="gold",
      vocabulary_size=200,
      row_length=32,
      eval_share=0.1,
      how=preparation.HowToRun(num_workers=2),
    )


def test_nothing_of_jax_is_imported_for_a_block():
  code = (
    "import sys; from taskrobust_jax.data.text import blocks, runners\n"
    "bad = {'jax', 'flax', 'grain'} & set(sys.modules)\n"
    "sys.exit(f'imported {bad}' if bad else 0)"
  )
  result = subprocess.run(
    [sys.executable, "-c", code],
    env={**os.environ, "PYTHONPATH": str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr


def test_bad_arguments_name_themselves():
  with pytest.raises(errors.InputError, match="'spark' is not one of local"):
    runners.check("spark", None)
  with pytest.raises(errors.InputError, match="num_workers: 0 is below 1"):
    runners.check("local", 0)


def test_without_beam_its_requirements_are_named(monkeypatch):
  monkeypatch.setitem(sys.modules, "apache_beam", None)
  with pytest.raises(errors.InputError, match="launch/requirements-beam.txt"):
    runners.check("beam", None)


def test_time_left_is_in_words():
  assert [runners._duration(s) for s in (3, 119, 600, 9_000)] == [
    *("3 s", "2 min", "10 min", "2.5 h")
  ]


BEAM = os.environ.get("TASKROBUST_BEAM_PYTHON")


@pytest.mark.ci
@pytest.mark.skipif(
  not BEAM,
  reason="TASKROBUST_BEAM_PYTHON names no python with "
  "launch/requirements-beam.txt installed",
)
def test_beam_writes_the_same_bytes(texts, expected, tmp_path):
  code = CODE.replace("num_workers=int(sys.argv[4])", 'runner="beam"')
  (tmp_path / "program.py").write_text(code)
  result = subprocess.run(
    [
      BEAM,
      str(tmp_path / "program.py"),
      str(tmp_path / "data"),
      str(texts / "*.txt"),
      str(texts / "tagger.json"),
    ],
    env={**os.environ, "PYTHONPATH": str(ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr
  assert contents(tmp_path / "data") == expected
  assert records.open_dataset(str(tmp_path / "data")).verify()
  assert blocks.WORK_FOLDER not in os.listdir(tmp_path / "data")
