"""metrics.jsonl byte by byte, the values of a row, the progress line."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.train import metrics
from taskrobust_jax.train.metrics import Progress, Rows, train_values
from taskrobust_jax.train.step import StepMetrics


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


def values_of(losses, counts, weights, means=()):
  step = StepMetrics(
    jnp.array(losses),
    jnp.array(weights),
    jnp.array(counts),
    jnp.float32(1.0),
    jnp.int32(2),
    means,
  )
  return train_values(("a", "b"), step, 0.5)


def test_a_row_has_every_value_in_order():
  values = values_of([1.0, 3.0], [4.0, 2.0], [0.25, 0.75])
  assert list(values.items()) == [
    ("train/loss/a", 1.0),
    ("train/loss/b", 3.0),
    ("train/weight/a", 0.25),
    ("train/predictions/a", 4.0),
    ("train/weight/b", 0.75),
    ("train/predictions/b", 2.0),
    ("train/robust_loss", 2.5),
    ("train/skipped_updates", 2.0),
    ("train/learning_rate", 0.5),
  ]
  assert {type(value) for value in values.values()} == {float}


def test_mean_weights_stand_in_a_row_where_the_step_has_them():
  values = values_of([1.0, 3.0], [4.0, 2.0], [0.25, 0.75], jnp.array([0.5, 1]))
  means = {k: v for k, v in values.items() if "mean_weight" in k}
  assert means == {"train/mean_weight/a": 0.5, "train/mean_weight/b": 1.0}


@pytest.mark.parametrize("loss", [math.nan, math.inf, 7.0])
def test_an_absent_task_has_no_loss_and_no_part_in_the_sum(loss):
  values = values_of([2.0, loss], [4.0, 0.0], [1.0, 0.0])
  assert "train/loss/b" not in values
  assert values["train/predictions/b"] == 0
  assert values["train/robust_loss"] == 2.0


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_shows(tmp_path, loss):
  values = values_of([2.0, loss], [4.0, 1.0], [1.0, 0.0])
  assert math.isnan(values["train/robust_loss"])
  rows = Rows(tmp_path / "rows")
  rows.write(1, values)
  rows.close()
  row = json.loads((tmp_path / "rows").read_text())
  assert row["train/loss/b"] is None
  assert row["train/robust_loss"] is None


def test_the_progress_line(monkeypatch, capsys):
  now = [1000.0]
  monkeypatch.setattr(metrics.time, "monotonic", lambda: now[0])
  monkeypatch.setattr(metrics.time, "time", lambda: 7.0)
  progress = Progress(num_steps=20_000, batch_size=32)
  progress.start(1)
  now[0] += 4.0
  with progress.paused():
    now[0] += 100.0  # Of an evaluation.
  values = values_of([1.0, 3.0], [4.0, 2.0], [0.25, 0.75])
  timing = progress.report(11, values)
  assert timing == {"seconds": 7.0, "examples_per_second": 80.0}
  now[0] += 1.0
  progress.report(16, {"train/robust_loss": 2.0})
  progress.report(16, values)
  lines = capsys.readouterr().out.splitlines()
  assert lines == [
    "step    11/20000  loss 2.500  worst b 3.000  80 examples/s  2:13:16 left",
    "step    16/20000  loss 2.000  no task  160 examples/s  1:06:37 left",
    "step    16/20000  loss 2.500  worst b 3.000  0 examples/s  ? left",
  ]
