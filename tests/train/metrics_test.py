"""The values of a row of metrics.jsonl, the progress line."""

import json
import math

import jax.numpy as jnp
import pytest

from taskrobust_jax.storage.rows import Rows
from taskrobust_jax.train import metrics
from taskrobust_jax.train.metrics import Progress, train_values
from taskrobust_jax.train.step import StepMetrics


def values_of(losses, counts, weights, means=()):
  step = StepMetrics(
    jnp.array(losses),
    jnp.array(weights),
    jnp.array(counts),
    jnp.float32(1.0),
    jnp.int32(2),
    jnp.int32(0),
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
