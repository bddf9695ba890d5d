r"""Fine-tunes a pre-trained model on downstream tasks, for several seeds.

  python -m taskrobust_jax.finetune --config=configs/finetune_glue.py \
    --from=RUN --tasks=CoLA,SST-2 --data_dir=DIR --workdir=DIR \
    [--seeds=0,1,2] [--num_examples=64,1024,0]

RUN is the folder of a run, FOLDER@STEP for one of its checkpoints, or a folder
that `convert` wrote; random:FOLDER is the same model before any training.
The config is of the model's kind: text, or configs/finetune_vision.py for
pictures. `data_dir` holds GLUE's folders, or is tfds:glue; pictures are where
the config says. `workdir` receives manifest.json and
<task>/<size>/seed<seed>/result.json; what is finished there is not run
again. All methods and tasks have one rule by which a step is chosen
(`evaluation` in the config). Exit codes: 0 done, 1 fault, 2 bad input, 75
preempted, 130 interrupted. Compiled programs are kept as by `pretrain`.
"""

from collections.abc import Sequence
import pathlib

from absl import flags
from ml_collections import config_flags

from taskrobust_jax import program
from taskrobust_jax.errors import DONE, InputError
from taskrobust_jax.train.loaded import load
from taskrobust_jax.transfer import grid, neighbours
from taskrobust_jax.transfer.fine_tuning import StoppedError, check_config
from taskrobust_jax.transfer.kinds import open_downstream

_CONFIG = config_flags.DEFINE_config_file("config", help_string="The config.")
_FROM = program.define_path("from", "The pre-trained model, see above.")
_TASKS = flags.DEFINE_list("tasks", None, "Names of tasks.")
_SEEDS = flags.DEFINE_list("seeds", ["0"], "Seeds.")
_NUM_EXAMPLES = flags.DEFINE_list(
  "num_examples", ["0"], "Training examples, at most; 0 for all."
)
_DATA_DIR = program.define_path("data_dir", "GLUE's folder, or tfds:glue.")
_WORKDIR = program.define_path("workdir", "The folder of the results.")
_DRY_RUN = program.define_dry_run()


def main() -> int:
  """Loads the model and the data, and runs what is not finished."""
  config = _CONFIG.value
  check_config(config)
  names = _distinct("tasks", _TASKS.value)
  jobs = grid.jobs_of(
    names,
    _numbers("num_examples", _NUM_EXAMPLES.value),
    _numbers("seeds", _SEEDS.value),
  )
  workdir = pathlib.Path(_WORKDIR.value)
  program.cache_compiled()
  loaded = load(_FROM.value)
  downstream = open_downstream(loaded, config, _DATA_DIR.value)
  for name in names:
    downstream.check_name(name)
  manifest = grid.manifest_of(loaded.info, config)
  grid.check_workdir(workdir, manifest)
  # All of them, so that what is wrong is found before anything is trained.
  tasks = {
    name: downstream.make_task(name)
    for name in dict.fromkeys(
      job.task for job in grid.unfinished(workdir, jobs)
    )
  }
  if config.mode == "neighbours":
    for task in tasks.values():
      neighbours.check_task(task)
  if _DRY_RUN.value:
    grid.rehearse(jobs, tasks, downstream.encoder, config, workdir)
    return DONE
  try:
    grid.run(jobs, tasks, downstream.encoder, config, manifest, workdir)
  except StoppedError as error:
    print("stopped; what is finished is kept, start it again", flush=True)
    return error.args[0]
  print(f"wrote {workdir}")
  return DONE


def _distinct(flag: str, values: Sequence[str]) -> list[str]:
  values = [value.strip() for value in values]
  if not values or len(set(values)) < len(values) or "" in values:
    raise InputError(f"--{flag} must be distinct values, got {values}")
  return values


def _numbers(flag: str, values: Sequence[str]) -> list[int]:
  """Whole numbers from 0."""
  values = _distinct(flag, values)
  for value in values:
    if not (value.isascii() and value.isdecimal() and int(value) < 2**31):
      raise InputError(
        f"--{flag} must be whole numbers in [0, 2^31), got {value!r}"
      )
  return [int(value) for value in values]


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "from", "tasks", "workdir"])
  program.run(main)
