r"""Makes reference losses, which the adversary's excess is measured from.

  python -m taskrobust_jax.calibrate --config=configs/x.py --data_dir=DIR \
    --workdir=DIR --out=references.json [--how=averaged|single]

Trains with the config's model, data, batch size and number of steps: one run of
plain averaging in WORKDIR/averaged, or one run a task in WORKDIR/single_<task>,
which has the whole batch for its task (but for a row each of the others). Runs
that are there already are not trained again.
The file holds each task's loss as a curve over steps, on training batches and
on held-out rows; of an averaged run also each task's share of the targets and
the cosines between the tasks' gradients: tasks are worth telling apart where
these are far from 1. Use it by
--config=FILE:signal=excess_over,reference_losses=references.json.
"""

import pathlib

from absl import flags
from ml_collections import config_flags
import numpy as np

from taskrobust_jax import program, reference_runs
from taskrobust_jax.errors import DONE, InputError
from taskrobust_jax.report.read import read_runs
from taskrobust_jax.train import dry_run, loop, references
from taskrobust_jax.train.build import build
from taskrobust_jax.train.datasets import open_dataset
from taskrobust_jax.train.folder import RunFolder
from taskrobust_jax.train.task_gradients import shares_and_cosines

_CONFIG = config_flags.DEFINE_config_file("config", help_string="The config.")
_DATA_DIR = program.define_path("data_dir", "What `prepare` wrote.")
_WORKDIR = program.define_path("workdir", "Folder of the runs.")
_OUT = program.define_path("out", "The file to write.")
_HOW = flags.DEFINE_enum(
  "how",
  "averaged",
  ["averaged", "single"],
  "One run of plain averaging, or one run for each task.",
)
_DRY_RUN = program.define_dry_run()
# Rows of metrics.jsonl in a point of a curve, at least.
_FEWEST_ROWS = 5
_SIMILARITY_BATCHES = 16


def main() -> int:
  """Trains what is missing and writes the file."""
  out = pathlib.Path(_OUT.value)
  if out.is_dir():
    raise InputError(f"--out={out} is a folder; name a file in it")
  program.cache_compiled()
  config = _CONFIG.value
  dataset = open_dataset(config, _DATA_DIR.value)
  task_names = build(reference_runs.averaged(config), dataset).task_names
  runs = {"averaged": reference_runs.averaged(config)}
  if _HOW.value == "single":
    runs = {
      f"single_{name}": reference_runs.of_one_task(config, k, len(task_names))
      for k, name in enumerate(task_names)
    }
  shares, cosines = (), ()
  for name, run_config in runs.items():
    workdir = pathlib.Path(_WORKDIR.value, name)
    print(f"{name}: {workdir}", flush=True)
    experiment = build(run_config, dataset)
    if _DRY_RUN.value:
      dry_run.tell(experiment, workdir)
      continue
    with RunFolder(workdir, experiment) as folder:
      code = loop.train(experiment, folder)
      if code:
        return code
      if name == "averaged":
        shares, cosines = _similarity(experiment, folder)
  if _DRY_RUN.value:
    return DONE

  logged = read_runs([pathlib.Path(_WORKDIR.value, name) for name in runs])
  # All tasks from the one run, or each from its own.
  of_task = logged * len(task_names) if len(logged) == 1 else logged

  def series(prefix):
    return {
      name: run.series(f"{prefix}/{name}")
      for run, name in zip(of_task, task_names, strict=True)
    }

  made = references.References(
    references.made_from(
      config.to_dict(),
      getattr(dataset.info, "tokenizer_sha256", ""),
      task_names,
    ),
    {
      # A row tells the loss before its step's update.
      "train": reference_runs.curve(
        series("train/loss"), _FEWEST_ROWS, offset=-1
      ),
      "held_out": reference_runs.curve(series("eval/loss"), 1),
    },
    shares,
    cosines,
  )
  references.write(out, made)
  print(f"{'task':<20}  train  held-out  (the last of each)")
  for k, name in enumerate(task_names):
    train, held_out = (made.curves[x].losses[-1][k] for x in references.CURVES)
    print(f"{name:<20} {train:6.3f}    {held_out:6.3f}")
  if shares:
    _print_similarity(task_names, shares, cosines)
  print(f"wrote {out}")
  return DONE


def _similarity(experiment, folder) -> tuple[tuple, tuple]:
  """(shares, cosines) at the end of a run, on batches that it did not see."""
  state = folder.checkpoints.restore(
    experiment.state_shapes, experiment.state_sharding
  )
  last = experiment.num_steps
  shares, cosines = shares_and_cosines(
    experiment.suite,
    state.params,
    map(experiment.load_batch, range(last, last + _SIMILARITY_BATCHES)),
    experiment.identity["config"]["seed"],
  )
  if not np.isfinite(cosines).all():
    return (), ()  # A task without targets, which `curve` tells.
  return tuple(shares.tolist()), tuple(map(tuple, cosines.tolist()))


def _print_similarity(task_names, shares, cosines) -> None:
  print(
    "\nshare of all targets, and the cosines between the tasks' gradients at "
    "the end of the averaged run"
  )
  width = max(map(len, task_names))
  print(" " * (width + 8) + "".join(f"{name[:9]:>10}" for name in task_names))
  for name, share, row in zip(task_names, shares, cosines, strict=True):
    cells = "".join(f"{value:>10.3f}" for value in row)
    print(f"{name:<{width}} {share:>7.1%}{cells}")


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "workdir", "out"])
  program.run(main)
