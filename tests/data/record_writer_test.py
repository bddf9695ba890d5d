"""A folder holds a complete dataset or says that it does not."""

import os
import subprocess
import sys

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data import dataset_info, packing, record_writer, wordpiece

ROW = {name: np.ones(8, np.int32) for name in packing.FEATURES}
TOKENIZER = wordpiece.train(lambda: ["some words of text"], 64)
FINISH = {"source": "", "tagger": "", "arguments": {}, "inputs": {}}


def make_writer(folder):
  return record_writer.Writer(str(folder), 8, TOKENIZER)


def test_no_final_name_before_the_end_and_nothing_left_of_a_failure(tmp_path):
  with make_writer(tmp_path) as writer:
    for split in dataset_info.SPLITS:
      writer.write(split, ROW)
    assert sorted(os.listdir(tmp_path)) == [
      "rows-eval.incomplete-00000",
      "rows-train.incomplete-00000",
      "tokenizer.json",
    ]
  assert os.listdir(tmp_path) == ["tokenizer.json"]


def test_leftovers_go_and_foreign_files_stay(tmp_path):
  for name in (
    "rows-train.incomplete-00007",
    "rows-train.array_record-00000-o",
  ):
    (tmp_path / name).write_text("left by a killed run")
  (tmp_path / "rows-notes.txt").write_text("mine")
  with make_writer(tmp_path) as writer:
    for split in dataset_info.SPLITS:
      writer.write(split, ROW)
    writer.finish(**FINISH, versions={})
  assert sorted(os.listdir(tmp_path)) == [
    "dataset.json",
    "dataset_info.json",
    "features.json",
    "rows-eval.array_record-00000-of-00001",
    "rows-notes.txt",
    "rows-train.array_record-00000-of-00001",
    "tokenizer.json",
  ]
  with pytest.raises(errors.InputError, match="holds a complete dataset"):
    make_writer(tmp_path)


def test_an_empty_split_names_itself(tmp_path):
  with make_writer(tmp_path) as writer:
    writer.write("train", ROW)
    with pytest.raises(errors.InputError, match="the split eval has 0 rows"):
      writer.finish(**FINISH, versions={})
  assert not (tmp_path / "dataset.json").exists()


def test_a_disk_that_fills_up_is_an_os_error(tmp_path):
  # In a process of its own: the limit on the size of files stays.
  code = (
    "import resource, sys; sys.path.insert(0, sys.argv[1]);"
    "import record_writer_test as t; import numpy as np;"
    "rng = np.random.default_rng(0);"
    "make = lambda: {k: rng.integers(0, 18, 8, np.int32) for k in t.ROW};"
    "writer = t.make_writer(sys.argv[2]);"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
    "t.fill(writer, make)"
  )
  folder = os.path.dirname(__file__)
  result = subprocess.run(
    [sys.executable, "-c", code, folder, str(tmp_path)],
    capture_output=True,
    text=True,
    check=False,
  )
  assert "OSError: " in result.stderr.splitlines()[-1], result.stderr
  assert "rows-train.incomplete-00000" in result.stderr.splitlines()[-1]
  assert os.listdir(tmp_path) == ["tokenizer.json"]


def fill(writer, make):
  """Writes 1,000 rows of noise and finishes; called by the test above."""
  with writer:
    for _ in range(1_000):
      writer.write("train", make())
    writer.write("eval", make())
    writer.finish(**FINISH, versions={})
