import pathlib
import subprocess
import sys

from tests.launch.cloud import ROOT


def test_shellcheck_finds_nothing():
  files = sorted(ROOT.glob("launch/*.sh"))
  assert ROOT / "launch/tpu_common.sh" in files
  result = subprocess.run(
    [pathlib.Path(sys.executable).parent / "shellcheck", "-x", *files]
    + [ROOT / ".ci/run"],
    cwd=ROOT,
    capture_output=True,
    text=True,
  )
  assert result.returncode == 0, result.stdout + result.stderr
