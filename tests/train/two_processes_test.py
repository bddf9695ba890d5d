"""A run on one device goes on on two processes of four, and equals itself."""

import json
import subprocess

import numpy as np
import pytest

from tests import programs

SIZES = {
  "8x1x1": (8, 1, 1),
  "2x2x2": (2, 2, 2),
}


def pod(folder, workdir, sizes, **changes):
  """Trains as two processes of four devices each."""
  data, fsdp, tensor = sizes
  flags = programs.run_flags(
    folder,
    workdir,
    mesh__data=data,
    mesh__fsdp=fsdp,
    mesh__tensor=tensor,
    **changes,
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


def assert_same_losses(workdir, expected):
  pairs = zip(
    programs.rows_of(workdir), programs.rows_of(expected), strict=True
  )
  for row, other in pairs:
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
  one(folder, tmp_path / "one", **short)
  for name, sizes in SIZES.items():
    pod(folder, tmp_path / name, sizes, **short)
    assert_same_losses(tmp_path / name, tmp_path / "one")
  # From the pod's step 10 on one device, and the other way.
  for name in ("one", "2x2x2"):
    for file in (tmp_path / name / "checkpoints" / "20").iterdir():
      subprocess.run(["rm", "-r", str(file)], check=True)
    (tmp_path / name / "checkpoints" / "20").rmdir()
  one(folder, tmp_path / "2x2x2", **short)
  pod(folder, tmp_path / "one", SIZES["2x2x2"], **short)
  for name in ("one", "2x2x2"):
    assert_same_losses(tmp_path / name, tmp_path / "8x1x1")
    manifest = tmp_path / name / "checkpoints/20/manifest/metadata"
    assert json.loads(manifest.read_text())["step"] == 20
