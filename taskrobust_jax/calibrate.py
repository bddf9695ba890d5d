r"""Makes reference losses, which the adversary's excess is measured from.

  python -m taskrobust_jax.calibrate --config=configs/x.py --data_dir=DIR \
    --workdir=DIR --out=references.json [--how=averaged|single]

Trains with the config's model, data, batch size and number of steps: one run of
plain averaging in WORKDIR/averaged, or one run a task in WORKDIR/single_<task>,
with that task's rows alone. Runs that are there already are not trained again.
The file holds each task's loss as a curve over steps, on training batches and
on held-out rows; of an averaged run also each task's share of the targets and
the cosines between the tasks' gradients: tasks are worth telling apart where
these are far from 1. Use it by
--config=FILE:signal=excess_over,reference_losses=
references.json.
"""

import pathlib

from absl import flags
from ml_collections import ConfigDict, config_flags
import numpy as np

from taskrobust_jax import configuring, program
from taskrobust_jax.data import records
from taskrobust_jax.errors import InputError
from taskrobust_jax.report.read import read_runs
from taskrobust_jax.train import loop, references
from taskrobust_jax.train.build import build
from taskrobust_jax.train.folder import RunFolder
from taskrobust_jax.train.task_gradients import shares_and_cosines

_CONFIG = config_flags.DEFINE_config_file("config", help_string="The config.")
_DATA_DIR = program.define_folder("data_dir", "What `prepare` wrote.")
_WORKDIR = program.define_folder("workdir", "Folder of the runs.")
_OUT = program.define_folder("out", "The file to write.")
_HOW = flags.DEFINE_enum(
  "how",
  "averaged",
  ["averaged", "single"],
  "One run of plain averaging, or one run for each task.",
)
# Points of a curve at most, and rows of metrics.jsonl in a point at least.
_MOST_POINTS = 50
_FEWEST_ROWS = 5
_SIMILARITY_BATCHES = 16


def main() -> int:
  """Trains what is missing and writes the file."""
  out = pathlib.Path(_OUT.value)
  if out.is_dir():
    raise InputError(f"--out={out} is a folder; name a file in it")
  config = _CONFIG.value
  dataset = records.open_dataset(
    _DATA_DIR.value, row_length=config.data.row_length
  )
  task_names = build(_averaged(config), dataset).task_names
  runs = {"averaged": _averaged(config)}
  if _HOW.value == "single":
    runs = {
      f"single_{name}": _of_one_task(config, k, len(task_names))
      for k, name in enumerate(task_names)
    }
  shares, cosines = (), ()
  for name, run_config in runs.items():
    print(f"{name}: {_WORKDIR.value}/{name}", flush=True)
    experiment = build(run_config, dataset)
    with RunFolder(pathlib.Path(_WORKDIR.value, name), experiment) as folder:
      code = loop.train(experiment, folder)
      if code:
        return code
      if name == "averaged":
        shares, cosines = _similarity(experiment, folder)

  logged = read_runs([pathlib.Path(_WORKDIR.value, name) for name in runs])
  # All tasks from the one run, or each from its own.
  of_task = logged * len(task_names) if len(logged) == 1 else logged
  made = references.References(
    references.made_from(
      config.to_dict(),
      getattr(dataset.info, "tokenizer_sha256", ""),
      task_names,
    ),
    {
      "train": _curve(
        [
          run.series(f"train/loss/{name}")
          for run, name in zip(of_task, task_names, strict=True)
        ],
        _FEWEST_ROWS,
        # A row tells the loss before its step's update.
        offset=-1,
      ),
      "held_out": _curve(
        [
          run.series(f"eval/loss/{name}")
          for run, name in zip(of_task, task_names, strict=True)
        ],
        1,
      ),
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
  return 0


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
    return (), ()  # A task without targets: `_curve` names it.
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


def _averaged(config: ConfigDict) -> ConfigDict:
  return _with_strategy(config, "strategy=uniform")


def _of_one_task(config: ConfigDict, k: int, num_tasks: int) -> ConfigDict:
  weights = tuple(float(j == k) for j in range(num_tasks))
  return _with_strategy(config, f"strategy=fixed,weights={weights}")


def _with_strategy(config: ConfigDict, text: str) -> ConfigDict:
  """The config with another strategy; the rows of each task stay the same."""
  _, section = configuring.parse(text, "uniform", {})
  changed = ConfigDict(config.to_dict())
  changed.minimax = section
  changed.evaluation.patience = 0
  if changed.tasks.budget == "rows_by_weight":
    # A run of one task is to see that task's rows and no more.
    changed.tasks.budget, changed.tasks.min_rows = "rows", 0
  return changed.lock()


def _curve(
  series: list[tuple[np.ndarray, np.ndarray]], fewest_rows: int, offset: int = 0
) -> references.Curve:
  """One curve over common steps from (steps, losses) of every task."""
  steps = np.unique(np.concatenate([steps for steps, _ in series]))
  num_points = min(_MOST_POINTS, max(1, len(steps) // fewest_rows))
  columns = []
  points = [chunk.mean() for chunk in np.array_split(steps, num_points)]
  for own_steps, losses in series:
    is_known = np.isfinite(losses)
    if not is_known.any():
      raise InputError("a task was never seen in its run: no reference for it")
    at = np.interp(steps, own_steps[is_known], losses[is_known])
    columns.append([x.mean() for x in np.array_split(at, num_points)])
  points = np.maximum(np.round(points) + offset, 0).astype(int)
  table = np.stack(columns, axis=1)
  return references.Curve(
    tuple(points.tolist()), tuple(map(tuple, table.tolist()))
  )


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "data_dir", "workdir", "out"])
  program.run(main)
