r"""Compiles a config's train step for TPUs that are not here; tells its cost.

  python -m taskrobust_jax.compile --config=configs/pos_bert_base_pod.py \
    --topology=v5e:16x16 [--slices=2] [--fit] [--out=FILE.json]

The program is the one that `pretrain` would run there, by the real TPU
compiler (the extra `tpu`; no TPU is needed, and no data). What it prints, a
chip and step: bytes against the chip's memory, arithmetic, everything that is
sent to other chips and what the config's parallelism must send at least, and a
roofline time, which is an estimate. `--fit` looks for the largest batch. A
program that does not fit ends with exit code 2 and the bytes that it wants.
"""

import pathlib

from absl import flags
import jax
from ml_collections import config_flags

from taskrobust_jax import files, program
from taskrobust_jax.errors import InputError
from taskrobust_jax.planning.chips import topology
from taskrobust_jax.planning.fitting import largest_batch
from taskrobust_jax.planning.plan import Plan, make_plan
from taskrobust_jax.planning.tables import as_json, as_text

_CONFIG = config_flags.DEFINE_config_file("config", help_string="The config.")
_TOPOLOGY = flags.DEFINE_string("topology", None, "Such as v5e:16x16.")
_SLICES = flags.DEFINE_integer(
  "slices", 1, "How many of them, joined by a network.", lower_bound=1
)
_FIT = flags.DEFINE_boolean("fit", False, "Look for the largest batch.")
_OUT = program.define_path("out", "Where the JSON goes.")


def main() -> None:
  """Reads the flags, compiles, prints."""
  jax.config.update("jax_platforms", "cpu")  # A TPU that is here stays free.
  chips = topology(_TOPOLOGY.value, _SLICES.value)
  find = largest_batch if _FIT.value else make_plan
  plan = find(_CONFIG.value, chips)
  print(as_text(plan))
  if _OUT.value:
    _write(plan)


def _write(plan: Plan) -> None:
  target = pathlib.Path(_OUT.value)
  try:
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write_object(target, as_json(plan))
  except OSError as error:
    raise InputError(f"--out: {error}") from error
  print(f"wrote {target}")


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "topology"])
  program.run(main)
