"""Lists the programs: `python -m taskrobust_jax`."""

import ast
import pathlib

# In the order in which they are used.
PROGRAMS = (
  "prepare",
  "pretrain",
  "evaluate",
  "finetune",
  "report",
  "fill_mask",
  "reconstruct",
  "calibrate",
  "tag_by_loss",
  "convert",
  "compile",
  "check_run",
  "study",
)


def main() -> None:
  """Prints the name of each program and the first line of what it says."""
  print("python -m taskrobust_jax.PROGRAM [--help], where PROGRAM is one of\n")
  for name in PROGRAMS:
    print(f"  {name:<12} {_first_line(name)}")
  print(
    "\nand python -m taskrobust_jax.benchmarks.NAME (notebooks/results tells "
    "which).\nA run is --workdir where a program works in it or reads one, a "
    "word where it reads\nany number, --from where params are taken from it."
  )


def _first_line(name: str) -> str:
  """Without importing it: that takes seconds."""
  place = pathlib.Path(__file__).with_name(name)
  if place.is_dir():
    place = place / "__main__"
  tree = ast.parse(place.with_suffix(".py").read_text("utf-8"))
  # What stands behind a colon is how to call it.
  line = ast.get_docstring(tree).partition("\n")[0]
  return line.partition(": `")[0].rstrip(".")


if __name__ == "__main__":
  main()
