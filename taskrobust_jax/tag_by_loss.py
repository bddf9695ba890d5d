r"""Splits a dataset into tasks by how hard its words were for a run.

  python -m taskrobust_jax.tag_by_loss --workdir=DIR --data_dir=DIR \
    --out_dir=DIR [--num_tags=4]

`workdir` is a run on the data in `data_dir`, best a short one of plain
averaging. The rows are written anew to `out_dir`, with the tags difficulty_1
(easiest) to difficulty_n (hardest) in equal shares; train on them with
--config=FILE:split=difficulty.
"""

from absl import flags

from taskrobust_jax import program
from taskrobust_jax.train import difficulty, restored

_WORKDIR = program.define_path("workdir", "The run's folder.")
_DATA_DIR = program.define_path("data_dir", "What `prepare` wrote.")
_OUT_DIR = program.define_path("out_dir", "The folder to write.")
_NUM_TAGS = flags.DEFINE_integer("num_tags", 4, "How many tags.")
_DRY_RUN = program.define_dry_run()


def main() -> None:
  """Reads the flags and calls `difficulty.tag_by_loss`."""
  program.cache_compiled()
  run = restored.restore(_WORKDIR.value, _DATA_DIR.value)
  difficulty.tag_by_loss(run, _OUT_DIR.value, _NUM_TAGS.value, _DRY_RUN.value)


if __name__ == "__main__":
  flags.mark_flags_as_required(["workdir", "data_dir", "out_dir"])
  program.run(main)
