"""Notebooks hold no output, and run from the top to their last assertion."""

import ast
import json
import pathlib
import subprocess
import sys

import pytest

from tests import programs

FILES = sorted((programs.ROOT / "notebooks").glob("*.ipynb"))
NAMES = [file.stem for file in FILES]
# As a notebook does: one cell after the other, in one namespace.
RUNNER = """
import json, sys
namespace = {"__name__": "__main__"}
for cell in json.load(open(sys.argv[1]))["cells"]:
  if cell["cell_type"] == "code":
    code = compile("".join(cell["source"]), cell["id"], "exec")
    exec(code, namespace)
"""


def code_cells(file):
  book = json.loads(file.read_text())
  cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
  return ["".join(cell["source"]) for cell in cells]


def test_there_are_eight():
  assert [name[:3] for name in NAMES] == [f"0{n}_" for n in range(1, 9)]


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_notebook_is_whole_small_and_without_output(file):
  assert file.stat().st_size < 200_000
  book = json.loads(file.read_text())
  assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
  assert book["metadata"]["kernelspec"]["name"] == "python3"
  ids = [cell["id"] for cell in book["cells"]]
  assert len(set(ids)) == len(ids)
  for cell in book["cells"]:
    assert cell["cell_type"] in ("code", "markdown")
    if cell["cell_type"] == "code":
      assert cell["outputs"] == []
      assert cell["execution_count"] is None
  first, *_, last = code_cells(file)
  assert "REPO_URL" in first
  assert isinstance(ast.parse(last).body[-1], ast.Assert | ast.For)
  assert "assert " in last


@pytest.fixture(scope="module")
def out(tmp_path_factory):
  """Where all of them write: they share the data."""
  return tmp_path_factory.mktemp("notebooks")


@pytest.mark.ci
@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_notebook_runs(file, out):
  environment = programs.ENVIRONMENT | {"OUT": str(out), "MPLBACKEND": "agg"}
  done = subprocess.run(
    [sys.executable, "-c", RUNNER, str(file)],
    cwd=pathlib.Path(file).parent,
    env=environment | {"PYTHONPATH": "", "JAX_PLATFORMS": "cpu"},
    capture_output=True,
    text=True,
    timeout=900,
    check=False,
  )
  assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
