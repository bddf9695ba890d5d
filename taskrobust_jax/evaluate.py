r"""Evaluates a checkpoint of a run on the held-out rows.

  python -m taskrobust_jax.evaluate --workdir=DIR --data_dir=DIR [--step=N] \
    [--second_half] [--config=FILE.py] [--out=FILE.json]

The config is the run's own, and so are the rows: the first
`evaluation.max_rows`, which it was evaluated on while it trained. With
`--config` the tasks are those of another config on the same data: what a model
of ordinary masking, say, has learnt of each part of speech.
`--second_half` takes the second half of the split instead, and corrupts it
alike for every run: rows that no choice was made by, if the config's own lie in
the first half. Nothing is written but the file that `--out` names.
"""

from collections.abc import Mapping
import pathlib
from typing import Any

from absl import flags
from ml_collections import config_flags
import numpy as np

from taskrobust_jax import files, program
from taskrobust_jax.errors import InputError
from taskrobust_jax.train.build import build
from taskrobust_jax.train.evaluation import evaluate_state, make_evaluate
from taskrobust_jax.train.restored import Restored, restore
from taskrobust_jax.transfer.task import Subset

_WORKDIR = program.define_path("workdir", "The run's folder.")
_DATA_DIR = program.define_path("data_dir", "What `prepare` wrote.")
_STEP = flags.DEFINE_integer("step", None, "Which checkpoint; the latest.")
_SECOND_HALF = flags.DEFINE_bool(
  "second_half", False, "Evaluate on the second half of the held-out rows."
)
_CONFIG = config_flags.DEFINE_config_file(
  "config", None, "Whose tasks and rows; the run's own."
)
_OUT = program.define_path("out", "JSON file for what is printed.")


def main() -> None:
  """Restores the checkpoint and prints every task's held-out loss."""
  out = None if _OUT.value is None else pathlib.Path(_OUT.value)
  if out is not None and (out.is_dir() or not out.parent.is_dir()):
    raise InputError(f"--out={out} must name a file in a folder that is there")
  program.cache_compiled()
  restored = restore(_WORKDIR.value, _DATA_DIR.value, _STEP.value)
  if _CONFIG.value is not None:
    restored = _with_tasks_of(restored, _CONFIG.value)
  experiment, _, state = restored
  evaluate = experiment.evaluate
  if _SECOND_HALF.value:
    evaluate = _on_second_half(restored)
  values = evaluate_state(evaluate, state)
  print(f"held-out, step {int(state.step)}")
  _print(experiment.task_names, values, "eval")
  if state.averages:
    print("the same of the averaged params")
    _print(experiment.task_names, values, "eval_averaged")
  if out is not None:
    files.write_object(out, {"step": int(state.step), **values})
    print(f"wrote {out}")


def _with_tasks_of(restored: Restored, config) -> Restored:
  """The run with the tasks of another config.

  Raises:
    InputError: Its model is another one.
  """
  experiment = build(config, restored.dataset)
  own, other = (
    _flat(x.identity["config"]["model"])
    for x in (restored.experiment, experiment)
  )
  if own != other:
    name = min({*own.items()} ^ {*other.items()}, key=str)[0]
    raise InputError(
      f"--config has another model than the run: model.{name} is "
      f"{other.get(name)}, of the run {own.get(name)}"
    )
  return restored._replace(experiment=experiment)


def _flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
  """Keys with dots -> values, but for how the model is computed."""
  found = {}
  for name, value in section.items():
    if isinstance(value, Mapping):
      found |= _flat(value, f"{prefix}{name}.")
    elif name not in ("dtype", "remat", "unroll", "dropout_rate"):
      found[f"{prefix}{name}"] = value
  return found


def _on_second_half(restored: Restored):
  """params -> held-out values; rows and their corruption know no run."""
  experiment, dataset, _ = restored
  rows = dataset.split("eval")
  return make_evaluate(
    experiment.suite,
    Subset(rows, np.arange(len(rows) // 2, len(rows))),
    experiment.mesh,
    batch_size=experiment.identity["config"]["evaluation"]["batch_size"],
    max_rows=0,
    seed=0,
  )


def _print(task_names, values, prefix) -> None:
  for name in task_names:
    if f"{prefix}/loss/{name}" in values:
      accuracy = values.get(f"{prefix}/accuracy/{name}")
      print(
        f"  {name:<20} loss {values[f'{prefix}/loss/{name}']:7.4f}"
        + ("" if accuracy is None else f"  accuracy {accuracy:6.1%}")
        + f"  of {values[f'{prefix}/count/{name}']:,.0f}"
      )
  for name in ("worst", "mean"):
    print(f"  {name:<20} loss {values[f'{prefix}/{name}_task_loss']:7.4f}")


if __name__ == "__main__":
  flags.mark_flags_as_required(["workdir"])
  program.run(main)
