"""Prepares a dataset: text to packed, tagged rows on disk.

  python -m taskrobust_jax.prepare --config=configs/x.py --data_dir=DIR

`config.data` says what is made: source, train_path, eval_path, tagger,
vocabulary_size, row_length, eval_share (`data/preparation.py` has their legal
ranges); its `digest` is what training checks.
"""

from absl import flags
from ml_collections import config_flags

from taskrobust_jax import program
from taskrobust_jax.data import preparation

_CONFIG = config_flags.DEFINE_config_file("config", help_string="The config.")
_DATA_DIR = program.define_folder("data_dir", "The folder to write.")


def main() -> None:
  """Reads the flags and calls `preparation.prepare`."""
  data = _CONFIG.value.data.to_dict()
  data.pop("digest", None)
  preparation.prepare(_DATA_DIR.value, **data)


if __name__ == "__main__":
  flags.mark_flags_as_required(["config", "data_dir"])
  program.run(main)
