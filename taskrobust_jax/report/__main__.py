"""Compares runs: `python -m taskrobust_jax.report RUN_DIR ... --out=DIR`.

Prints a table of held-out losses, task weights and accuracies, a column a run.
With --out it also writes DIR/report.md and DIR/report.png. The first run is the
baseline (dashed in the figure), the last one is drawn solid.
"""

from collections.abc import Sequence
import pathlib

from taskrobust_jax import program, report
from taskrobust_jax.errors import InputError

_OUT = program.define_folder(
  "out", "Folder for report.md and report.png; none: print only."
)


def main(folders: Sequence[str]) -> None:
  """Prints and writes the report of run folders."""
  for folder in folders:
    program.check_is_local(folder)
  runs = report.read_runs(folders)
  comparison = report.compare(runs)
  print(report.as_text(comparison))
  if _OUT.value is None:
    return
  out = pathlib.Path(_OUT.value)
  try:
    out.mkdir(parents=True, exist_ok=True)
    report.write_figure(runs, out / "report.png")
    markdown = report.as_markdown(comparison, figure="report.png")
    (out / "report.md").write_text(markdown, encoding="utf-8")
  except OSError as error:
    raise InputError(f"cannot write to --out={out}: {error}") from error
  print(f"wrote {out / 'report.md'}")
  print(f"wrote {out / 'report.png'}")


if __name__ == "__main__":
  program.run_with_words(main)
