"""A run on one device goes on on two processes of four, and equals itself."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from tests import programs


def pod(folder, workdir, **changes):
  """Trains as two processes of four devices each, a mesh of 2 x 2 x 2."""
  flags = programs.run_flags(
    folder, workdir, mesh__data=2, mesh__fsdp=2, mesh__tensor=2, **changes
  )
  result = subprocess.run(
    ["bash", "launch/local_pod.sh", "-n", "2", "-d", "4", *flags],
    cwd=programs.ROOT,
    env=programs.ENVIRONMENT,
    capture_output=True,
    text=True,
    timeout=300,
  )
  assert result.returncode == 0, result.stdout + result.stderr


def one(folder, workdir, **changes):
  """Trains on one device."""
  flags = programs.run_flags(folder, workdir, **changes)
  code, _, err = programs.run("pretrain", *flags)
  assert code == 0, err


def assert_same(rows, expected):
  for row, other in zip(rows, expected, strict=True):
    assert row.keys() == other.keys()
    np.testing.assert_allclose(
      list(row.values()), list(other.values()), rtol=1e-5, atol=1e-6
    )
    assert row.get("train/order_digest") == other.get("train/order_digest")


@pytest.mark.ci
def test_losses_and_checkpoints_are_those_of_one_device(tmp_path):
  folder = programs.finished().folder
  short = {
    "num_steps": 20,
    "batch_size": 32,
    "log_every": 1,
    "checkpoint__every": 10,
    "optimizer__warmup_steps": 2,
  }
  paths = {name: tmp_path / name for name in ("one", "pod")}
  one(folder, paths["one"], **short)
  pod(folder, paths["pod"], **short)
  expected = programs.rows_of(paths["one"])
  assert_same(programs.rows_of(paths["pod"]), expected)
  # From the pod's step 10 on one device, and the other way.
  for path in paths.values():
    shutil.rmtree(path / "checkpoints" / "20")
  one(folder, paths["pod"], **short)
  pod(folder, paths["one"], **short)
  for path in paths.values():
    assert_same(programs.rows_of(path), expected)
    manifest = path / "checkpoints/20/manifest/metadata"
    assert json.loads(manifest.read_text())["step"] == 20
