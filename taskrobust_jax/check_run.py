"""Checks folders of runs: `python -m taskrobust_jax.check_run RUN ...`.

Prints who works in each, how far its rows go, and for each checkpoint whether
it is whole, its held-out losses and task weights. Every array is read and its
digest compared; the model is not needed and nothing is changed. Exit codes: 0
all is whole, 2 something is damaged, or a folder holds no run.
"""

import pathlib
import re
from typing import Any

import jax

from taskrobust_jax import errors, lock, program
from taskrobust_jax.errors import InputError
from taskrobust_jax.report.read import Run, read_run
from taskrobust_jax.storage import rows, saved
from taskrobust_jax.storage.verify import verify
from taskrobust_jax.train.folder import MANIFEST, read_manifest

# Of `minimax.ascend`, wherever it stands in the optimizer's chain.
_WEIGHTS = re.compile(r"\.opt_state(\[\d+\])*\.task_weights")


def main(folders: list[str]) -> int:
  """Prints the health of runs; returns the exit code."""
  if not folders:
    raise InputError("give a run's folder, or several")
  jax.config.update("jax_platforms", "cpu")  # An accelerator stays free.
  for folder in folders:
    program.check_is_local(folder)
  return max([_print_run(pathlib.Path(folder)) for folder in folders])


def _print_run(path: pathlib.Path) -> int:
  """Prints the health of a run; returns the exit code."""
  manifest = read_manifest(path)
  print(f"run   {path}")
  print(f"lock  {lock.owner_of(path) or 'free'}")
  problems = []
  run = None
  try:
    run = read_run(path)
    last = max((int(x[0].max()) for x in run.metrics.values()), default=None)
    print(f"rows  {'none' if last is None else f'to step {last}'}")
  except InputError as error:
    problems.append(str(error))
    print(f"rows  DAMAGED: {error}")

  folder = path / "checkpoints"
  steps = saved.steps_in(folder)
  for step in steps:
    try:
      print(f"step  {step}: whole{_check_step(path, manifest, step, run)}")
    except InputError as error:
      problems.append(str(error))
      print(f"step  {step}: DAMAGED: {program.one_line(error)}")
  if not steps:
    print("step  no checkpoint yet")
  unfinished = [x.name for x in _entries(folder) if not x.name.isdecimal()]
  if unfinished:
    # A kill leaves them, and the next save removes them.
    print(
      f"also  {len(unfinished)} unfinished: {', '.join(sorted(unfinished))}"
    )
  if aside := [x.name for x in _entries(path / "set_aside")]:
    print(f"also  set aside: {', '.join(sorted(aside))}")
  if problems:
    print(f"DAMAGED: {len(problems)} of {len(steps) + 1}")
    return errors.BAD_INPUT
  print("all is whole")
  return errors.DONE


def _check_step(
  path: pathlib.Path, manifest: dict[str, Any], step: int, run: Run | None
) -> str:
  """Reads a step; returns what there is to say of it."""
  folder = path / "checkpoints"
  saved.check_loss(folder, step)
  own = saved.read_manifest(folder, step)
  for name in ("config", "data_digest", "task_names"):
    if own.get(name) != manifest.get(name):
      raise InputError(
        f"checkpoint {folder / str(step)} is of another run: its {name} is not "
        f"that of {path / MANIFEST}"
      )
  if not rows.begins_with(path / "metrics.jsonl", own["rows"]):
    raise InputError(
      f"{path / 'metrics.jsonl'} does not begin with the rows that it had at "
      f"step {step}"
    )
  arrays = verify(folder, step)
  said = ""
  for name in ("worst", "mean"):
    key = f"eval/{name}_task_loss"
    steps, values = run.series(key) if run else ((), ())
    at = dict(zip(steps, values, strict=True))
    if step in at:
      said += f", {name} {at[step]:.4f}"
  found = [x for name, x in arrays.items() if _WEIGHTS.fullmatch(name)]
  if found:
    weights = zip(own["task_names"], found[0].tolist(), strict=True)
    said += "; weights " + " ".join(f"{name} {q:.3f}" for name, q in weights)
  return said


def _entries(folder: pathlib.Path) -> list[pathlib.Path]:
  return list(folder.iterdir()) if folder.is_dir() else []


if __name__ == "__main__":
  program.run_with_words(main)
