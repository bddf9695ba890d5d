"""A shard is there whole or not at all."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data import stored
from taskrobust_jax.data.tagging import part_of_speech
from taskrobust_jax.data.text import packing, shards

ROW = {name: np.ones(8, np.int32) for name in packing.FEATURES}


def test_a_shard_has_its_name_when_it_is_whole(tmp_path):
  seen = []

  def rows():
    for _ in range(3):
      yield ROW
      seen.append(sorted(os.listdir(tmp_path)))

  file = tmp_path / stored.file_name("train", 2, 7)
  counts = shards.write_shard(str(file), rows(), 18)
  assert file.name == "rows-train.array_record-00002-of-00007"
  assert set(map(tuple, seen)) == {(f"{file.name}.incomplete-{os.getpid()}",)}
  assert os.listdir(tmp_path) == [file.name]
  assert (counts.rows, counts.tokens, counts.tag_counts[1]) == (3, 24, 24)


def test_bytes_are_the_same_in_every_process(tmp_path):
  # A map in a protocol buffer has another order in each.
  code = (
    "import sys; sys.path.insert(0, sys.argv[1]); import shards_test as t;"
    "t.shards.write_shard(sys.argv[2], [t.ROW] * 9, 18)"
  )
  found = set()
  for name in "ab":
    command = [sys.executable, "-c", code, os.path.dirname(__file__)]
    subprocess.run([*command, str(tmp_path / name)], check=True)
    found.add((tmp_path / name).read_bytes())
  assert len(found) == 1


def test_nothing_is_left_of_a_failure(tmp_path):
  def rows():
    yield ROW
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    shards.write_shard(str(tmp_path / "x"), rows(), 18)
  assert os.listdir(tmp_path) == []


def test_counts_come_back(tmp_path):
  counts = shards.write_shard(str(tmp_path / "x"), [ROW], 18)
  counts = dataclasses.replace(counts, documents=2, confusion=[[1]])
  file = str(tmp_path / "x.json")
  assert shards.read_counts(file) is None
  shards.write_counts(file, counts)
  assert shards.read_counts(file) == counts
  (tmp_path / "x.json").write_text("{")
  with pytest.raises(errors.InputError, match="x.json: is not JSON"):
    shards.read_counts(file)


def test_an_empty_split_names_itself(tmp_path):
  file = tmp_path / stored.file_name("train", 0, 1)
  counts = shards.write_shard(str(file), [ROW], 18)
  with pytest.raises(errors.InputError, match="the split eval has 0 rows"):
    shards.finish(
      str(tmp_path),
      {"train": [counts], "eval": []},
      row_length=8,
      tag_names=part_of_speech.TAG_NAMES,
      tokenizer_sha256="",
    )
  assert not (tmp_path / "dataset.json").exists()


def test_a_disk_that_fills_up_is_an_os_error(tmp_path):
  # In a process of its own: the limit on the size of files stays.
  code = (
    "import resource, sys; sys.path.insert(0, sys.argv[1]);"
    "import shards_test as t; import numpy as np;"
    "rng = np.random.default_rng(0);"
    "make = lambda: {k: rng.integers(0, 18, 8, np.int32) for k in t.ROW};"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
    "t.fill(sys.argv[2], make)"
  )
  folder = os.path.dirname(__file__)
  result = subprocess.run(
    [sys.executable, "-c", code, folder, str(tmp_path)],
    capture_output=True,
    text=True,
    check=False,
  )
  assert "OSError: " in result.stderr.splitlines()[-1], result.stderr
  assert "full.incomplete-" in result.stderr.splitlines()[-1]
  assert os.listdir(tmp_path) == []


def fill(folder, make):
  """Writes 1,000 rows of noise; called by the test above."""
  file = os.path.join(folder, "full")
  shards.write_shard(file, (make() for _ in range(1_000)), 18)
