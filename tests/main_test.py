"""`python -m taskrobust_jax` lists every program with a line."""

import signal
import subprocess
import sys

import pytest

from taskrobust_jax import __main__
from tests import programs


def test_every_program_is_listed(capsys):
  package = programs.ROOT / "taskrobust_jax"
  ends = 'if __name__ == "__main__":'
  found = {x.stem for x in package.glob("*.py") if ends in x.read_text()}
  found |= {x.parent.name for x in package.glob("*/__main__.py")}
  assert found - {"__main__"} == set(__main__.PROGRAMS)
  __main__.main()
  lines = capsys.readouterr().out.splitlines()
  told = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
  assert [name for name, _ in told] == list(__main__.PROGRAMS)
  assert all(0 < len(text) < 80 for _, text in told)


@pytest.mark.parametrize("name", ["fill_mask", "finetune", "prepare"])
def test_ctrl_c_is_clean_while_a_program_imports(name):
  with subprocess.Popen(
    [sys.executable, "-v", "-m", f"taskrobust_jax.{name}"],
    cwd=programs.ROOT,
    env=programs.ENVIRONMENT,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.PIPE,
    text=True,
  ) as process:
    for line in process.stderr:  # -v tells of every import.
      if line.startswith("import 'absl.flags"):
        break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
  assert process.returncode == 130
  assert "interrupted" in rest
  assert "Traceback" not in rest
