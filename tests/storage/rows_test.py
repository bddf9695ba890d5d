"""metrics.jsonl byte by byte: written, cut, damaged."""

import math
import os

import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.storage.rows import Rows


def test_the_bytes_of_rows_and_null_for_what_is_not_finite(tmp_path):
  rows = Rows(tmp_path / "metrics.jsonl")
  rows.write(1, {"b": 0.1, "a": float(np.float32(0.1))})
  rows.write(2, {"x": math.nan, "y": math.inf, "z": -math.inf})
  rows.sync()
  assert (tmp_path / "metrics.jsonl").read_bytes() == (
    b'{"step": 1, "b": 0.1, "a": 0.10000000149011612}\n'
    b'{"step": 2, "x": null, "y": null, "z": null}\n'
  )
  rows.close()


def rows_of(path, num_steps):
  rows = Rows(path)
  for step in range(num_steps):
    rows.write(step, {"value": step / 3})
  return rows


def test_cut_after_keeps_the_rows_up_to_a_step_and_goes_on(tmp_path):
  path = tmp_path / "metrics.jsonl"
  rows = rows_of(path, 5)
  whole = path.read_bytes()
  rows.cut_after(2)
  assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:3])
  for step in (3, 4):
    rows.write(step, {"value": step / 3})
  assert path.read_bytes() == whole
  rows.cut_after(-1)
  assert path.read_bytes() == b""
  assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]
  rows.close()


def test_nothing_to_cut_leaves_the_very_file(tmp_path):
  path = tmp_path / "metrics.jsonl"
  rows = rows_of(path, 3)
  before = path.stat()
  rows.cut_after(2)
  assert path.stat().st_ino == before.st_ino
  assert path.stat().st_mtime_ns == before.st_mtime_ns
  rows.close()


@pytest.mark.parametrize("length", [1, 9, 20])
def test_a_half_written_last_line_is_cut(tmp_path, length):
  path = tmp_path / "metrics.jsonl"
  rows_of(path, 3).close()
  whole = path.read_bytes()
  with path.open("ab") as file:
    file.write(whole[:length])  # The begin of a row of step 0.
  rows = Rows(path)
  rows.cut_after(10)
  assert path.read_bytes() == whole
  rows.close()


@pytest.mark.parametrize(
  "garbage", [b"{\n", b"\xff\xfe\n", b"[1]\n", b'{"value": 1}\n', b"a\rb\n"]
)
def test_a_garbage_line_is_named_and_nothing_is_lost(tmp_path, garbage):
  path = tmp_path / "metrics.jsonl"
  rows_of(path, 3).close()
  lines = path.read_bytes().splitlines(keepends=True)
  content = b"".join([lines[0], garbage, *lines[1:]])
  path.write_bytes(content)
  rows = Rows(path)
  with pytest.raises(InputError, match=r"metrics\.jsonl: line 2 is not a row"):
    rows.cut_after(2)
  assert path.read_bytes() == content
  rows.close()


def test_a_full_disk_names_the_file(tmp_path):
  path = tmp_path / "metrics.jsonl"
  path.symlink_to("/dev/full")
  rows = Rows(path)
  with pytest.raises(OSError, match=r"No space left.*metrics\.jsonl"):
    rows.write(1, {"value": 1.0})
  rows.close()


def test_rows_that_the_disk_refused_are_written_later(tmp_path, monkeypatch):
  path = tmp_path / "metrics.jsonl"
  whole = rows_of(tmp_path / "whole", 4)
  rows = rows_of(path, 1)
  file = rows._file

  class Full:
    """Takes a part of what it is given, then nothing."""

    room = 5

    def write(self, data):
      if not self.room:
        raise OSError(28, "No space left on device")
      taken, self.room = data[: self.room], 0
      return file.write(taken)

  rows._file = Full()
  for step in (1, 2):
    with pytest.raises(OSError, match=r"No space left.*metrics\.jsonl"):
      rows.write(step, {"value": step / 3})
  with pytest.raises(OSError, match="No space left"):
    rows.sync()
  rows._file = file
  rows.write(3, {"value": 1.0})
  rows.sync()
  assert path.read_bytes() == (tmp_path / "whole").read_bytes()
  assert rows.fingerprint() == whole.fingerprint()
  rows.close()
  whole.close()


def test_cut_to_a_fingerprint(tmp_path):
  path = tmp_path / "metrics.jsonl"
  rows = rows_of(path, 3)
  fingerprint, content = rows.fingerprint(), path.read_bytes()
  for step in (3, 4):
    rows.write(step, {"value": 0})
  assert rows.cut_to(fingerprint)
  assert path.read_bytes() == content
  assert rows.fingerprint() == fingerprint
  rows.close()
  reopened = Rows(path)
  assert reopened.fingerprint() == fingerprint
  inode = path.stat().st_ino
  assert reopened.cut_to(fingerprint)
  assert path.stat().st_ino == inode
  reopened.close()


@pytest.mark.parametrize(
  "damage",
  [
    lambda content: b"",
    lambda content: content[:-1],
    lambda content: content.replace(b"0.3333", b"0.3334"),
    lambda content: b"\n" + content,
  ],
)
def test_other_rows_than_those_of_a_fingerprint_are_told(tmp_path, damage):
  path = tmp_path / "metrics.jsonl"
  rows = rows_of(path, 3)
  fingerprint = rows.fingerprint()
  rows.close()
  path.write_bytes(damage(path.read_bytes()))
  before = path.read_bytes()
  rows = Rows(path)
  assert not rows.cut_to(fingerprint)
  assert path.read_bytes() == before
  rows.close()


def test_what_is_whole_is_kept_on_demand(tmp_path):
  path = tmp_path / "metrics.jsonl"
  rows_of(path, 5).close()
  lines = path.read_bytes().splitlines(keepends=True)
  damaged = b"".join([lines[0], b"[" * 9, b"\n", *lines[2:]]) + b'{"st'
  path.write_bytes(damaged)
  rows = Rows(path)
  copy = rows.keep_what_is_whole(3)
  assert copy.read_bytes() == damaged
  assert path.read_bytes() == lines[0] + lines[2] + lines[3]
  rows.write(4, {"value": 4 / 3})
  assert path.read_bytes().endswith(lines[3] + lines[4])
  assert sorted(os.listdir(tmp_path)) == [path.name, copy.name]
  rows.close()
