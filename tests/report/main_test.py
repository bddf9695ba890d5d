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
    *("-m", "taskrobust_jax.report", str(two_runs[0]), "--out", str(out)),
    str(two_runs[1]),  # Flags and words in any order.
  )
  assert done.returncode == 0, done.stderr
  assert "worst task       6.000     5.000*      -1.000\n" in done.stdout
  files = ("report.json", "report.png", "report.md", "report.html")
  wrote = "".join(f"wrote {out / name}\n" for name in files)
  assert done.stdout.endswith(f"\n{wrote}")
  assert {file.name for file in out.iterdir()} == set(files)
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


def test_best_known_scores_come_from_a_file(write_fine_tuning, tmp_path):
  folders = [
    write_fine_tuning("plain", {"cola": [0.5]}),
    write_fine_tuning("none", {"cola": [0.1]}, init="random"),
  ]
  file = tmp_path / "best.json"
  file.write_text('{"cola": 0.9}')
  done = _run(
    *("-m", "taskrobust_jax.report", *map(str, folders)),
    f"--best_known={file}",
  )
  assert done.returncode == 0, done.stderr
  lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
  assert "worst normalised: min of means 0.500* 0.000" in lines
  assert "cola (accuracy) 0.500* 0.100 0.900*" in lines
  file.write_text('{"cola": "high"}')
  done = _run(
    *("-m", "taskrobust_jax.report", str(folders[0]), f"--best_known={file}")
  )
  assert done.returncode == 2
  assert "cola is 'high'" in done.stderr
