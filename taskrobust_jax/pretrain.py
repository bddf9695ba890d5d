r"""Pre-trains a model; a run that was stopped goes on where it was saved.

  python -m taskrobust_jax.pretrain --config=configs/x.py \
    --data_dir=DIR --workdir=DIR

`--init_from=FOLDER` starts from the params of another run (FOLDER@STEP for one
of its checkpoints) or from converted weights, with a new optimizer, at step 0.
`data_dir` is what `prepare` wrote for the same config; the scenes of
configs/multimae_smoke.py are made as they are read and need none. `workdir`
receives manifest.json, metrics.jsonl, timing.jsonl, tensorboard/, checkpoints/,
model.json, and of text tokenizer.json. `--dry_run` checks all of
this, runs a few steps and tells what the run will take. Compiled programs are
kept in JAX_COMPILATION_CACHE_DIR, by default ~/.cache/taskrobust_jax. Exit
codes: 0 done, 1 fault, 2 bad input, 75 preempted and saved, 130 interrupted.
"""

import json
import pathlib

from absl import flags
from ml_collections import config_flags

from taskrobust_jax import pod, program
from taskrobust_jax.errors import DONE
from taskrobust_jax.train import datasets, dry_run, loaded, loop, profile
from taskrobust_jax.train.build import build
from taskrobust_jax.train.folder import RunFolder
from taskrobust_jax.train.start import check_tokenizer, make_start

_CONFIG = config_flags.DEFINE_config_file("config", help_string="The config.")
_DATA_DIR = program.define_path("data_dir", "What `prepare` wrote.")
_WORKDIR = program.define_path("workdir", "The run's folder.")
_DRY_RUN = program.define_dry_run()
_RESTORE_STEP = flags.DEFINE_integer(
  "restore_step",
  None,
  "Go on from this checkpoint and no other, which is refused if it is damaged; "
  "newer ones are set aside. By default: the newest whole one.",
  lower_bound=0,
)
_INIT_FROM = flags.DEFINE_string(
  "init_from",
  "",
  "A run's folder or converted weights, whose params a new run begins with.",
)
_POD = flags.DEFINE_string(
  "pod",
  "",
  "This process's place among several: auto (Cloud TPU, Slurm, Kubernetes) or "
  "i/n@host:port.",
)
_POD_TIMEOUT = flags.DEFINE_integer(
  "pod_timeout",
  pod.TIMEOUT,
  "Seconds until a process of the pod that has not come is named.",
  lower_bound=1,
)
_PROFILE_STEPS = flags.DEFINE_string(
  "profile_steps",
  "",
  "FIRST:LAST, such as 10:15: steps that are traced into WORKDIR/profile, for "
  "TensorBoard's profile plugin or Perfetto.",
)


def main() -> int:
  """Reads the flags, builds the run and trains it."""
  config = _CONFIG.value
  profile_steps = profile.parse_steps(_PROFILE_STEPS.value)
  program.cache_compiled()
  place = pod.find_place(_POD.value, _POD_TIMEOUT.value)
  with pod.joined(place, _POD_TIMEOUT.value) as agree:
    dataset = datasets.open_dataset(config, _DATA_DIR.value)
    agree(
      {
        "config": json.loads(config.to_json()),
        "data_digest": dataset.info.digest,
        "workdir": _WORKDIR.value,
        "restore_step": _RESTORE_STEP.value,
        "init_from": _INIT_FROM.value,
      }
    )
    # After it: reading params uses a device, and a pod has none before.
    start = None
    if _INIT_FROM.value:
      found = loaded.load(_INIT_FROM.value)
      if found.tokenizer and config.tasks.kind == "masked_language":
        file = dataset.tokenizer_file()
        check_tokenizer(_INIT_FROM.value, found.tokenizer, file)
      start = make_start(_INIT_FROM.value, found.params, found.info)
    experiment = build(config, dataset, start=start)
    if _DRY_RUN.value:
      dry_run.tell(experiment, pathlib.Path(_WORKDIR.value))
      return DONE
    with RunFolder(_WORKDIR.value, experiment) as folder:
      loaded.describe(folder.path, config, dataset)
      code = loop.train(experiment, folder, _RESTORE_STEP.value, profile_steps)
    print(f"wrote {folder.path}")
  return code


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "workdir"])
  program.run(main)
