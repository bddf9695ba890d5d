import subprocess
import sys

_IMPORT = """
import sys
from taskrobust_jax.report import __main__
print([name for name in ("jax", "flax", "matplotlib") if name in sys.modules])
"""


def _run(*arguments):
  return subprocess.run(
    [sys.executable, *arguments],
    capture_output=True,
    text=True,
    timeout=120,
    check=False,
  )


def test_imports_neither_jax_nor_matplotlib():
  done = _run("-c", _IMPORT)
  assert done.stdout == "[]\n", done.stderr


def test_prints_the_table_and_writes_what_it_names(two_runs, tmp_path):
  out = tmp_path / "new" / "folder"
  done = _run(
    *("-m", "taskrobust_jax.report", *map(str, two_runs), f"--out={out}")
  )
  assert done.returncode == 0, done.stderr
  assert "worst task       6.000     5.000*      -1.000\n" in done.stdout
  assert done.stdout.endswith(
    f"\nwrote {out / 'report.md'}\nwrote {out / 'report.png'}\n"
  )
  assert "(report.png)" in (out / "report.md").read_text()
  assert (out / "report.png").stat().st_size > 10_000


def test_bad_input_is_one_line_and_exit_code_2(tmp_path):
  nowhere = str(tmp_path / "nowhere")
  for arguments in ([], [nowhere], [nowhere, "--out"], [nowhere, "--of=x"]):
    done = _run("-m", "taskrobust_jax.report", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
