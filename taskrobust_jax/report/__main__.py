"""Compares runs: `python -m taskrobust_jax.report WORKDIR ... --out=DIR`.

The folders are those of `pretrain`, of `finetune`, or both, in any number; the
first one of a kind is the baseline. Folders that differ in their seed alone are
replicates of one method. Prints tables; with --out it also writes one page that
needs no other file, DIR/report.html, and the same as report.md and report.json
with pictures beside them.
"""

from collections.abc import Sequence
import pathlib

from taskrobust_jax import program
from taskrobust_jax.errors import InputError
from taskrobust_jax.report import compose, study

_OUT = program.define_path(
  "out", "Folder for report.html, .md, .json and pictures; none: print only."
)
_BEST_KNOWN = program.define_path(
  "best_known",
  'JSON file of best known scores, {"CoLA": 0.6, "CoLA, 64 examples": 0.4}, '
  "for normalised scores; by default the best of this comparison.",
)


def main(folders: Sequence[str]) -> None:
  """Prints and writes the report of folders."""
  for folder in folders:
    program.check_is_local(folder)
  best_known = None
  if _BEST_KNOWN.value is not None:
    best_known = study.read_best_known(_BEST_KNOWN.value)
  report = compose.make_report(folders, best_known)
  print(report.text)
  if _OUT.value is None:
    return
  out = pathlib.Path(_OUT.value)
  try:
    files = report.write(out)
  except OSError as error:
    raise InputError(f"cannot write to --out={out}: {error}") from error
  for file in files:
    print(f"wrote {file}")


if __name__ == "__main__":
  program.run_with_words(main)
