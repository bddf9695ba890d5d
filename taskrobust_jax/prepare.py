"""Prepares a dataset: text to packed, tagged rows on disk; pictures, resized.

  python -m taskrobust_jax.prepare --config=configs/x.py --data_dir=DIR
  python -m taskrobust_jax.prepare --verify --data_dir=DIR
  python -m taskrobust_jax.prepare --train_tagger=CONLLU --tagger_path=OUT.json

`config.data` says what is made (legal ranges: `data/text/preparation.py`, for
pictures `data/pictures/image_sources.py`); its `digest` is what training
checks. A run that was stopped goes on when the same command is given again;
`--dry_run` checks it and writes nothing. The second form reads a dataset again
and names the first damaged shard. The third trains the tagger "perceptron"
offline from gold tags, with --eval_tagger=CONLLU to see how good it is.
"""

from absl import flags
from ml_collections import config_flags

from taskrobust_jax import errors, program
from taskrobust_jax.data.pictures import (
  image_info,
  image_preparation,
  image_records,
  image_sources,
)
from taskrobust_jax.data.text import preparation, runners

_CONFIG = config_flags.DEFINE_config_file("config", help_string="The config.")
_DATA_DIR = program.define_path("data_dir", "The folder to write.")
_NUM_WORKERS = flags.DEFINE_integer(
  "num_workers", None, "Processes that make rows; one a core if not given."
)
_RUNNER = flags.DEFINE_enum(
  "runner", "local", runners.RUNNERS, "Who makes the rows."
)
_BEAM_OPTIONS = flags.DEFINE_string(
  "beam_options", "", "Options of Beam's pipeline, as on a command line."
)
_DRY_RUN = program.define_dry_run()
_VERIFY = flags.DEFINE_bool("verify", False, "Read a dataset again.")
_TRAIN_TAGGER = flags.DEFINE_string(
  "train_tagger", None, "Glob of CoNLL-U files to train a tagger from."
)
_EVAL_TAGGER = flags.DEFINE_string(
  "eval_tagger", "", "Glob of CoNLL-U files to measure that tagger on."
)
_TAGGER_PATH = flags.DEFINE_string(
  "tagger_path", None, "The JSON file that --train_tagger writes."
)


def main() -> None:
  """Reads the flags and calls what they ask for."""
  if _TRAIN_TAGGER.value is not None:
    from taskrobust_jax.data.tagging import perceptron_training

    _need("tagger_path", _TAGGER_PATH.value)
    perceptron_training.train(
      _TRAIN_TAGGER.value, _EVAL_TAGGER.value, _TAGGER_PATH.value
    )
    return
  if _EVAL_TAGGER.value:
    raise errors.InputError("--eval_tagger measures what --train_tagger trains")
  if _BEAM_OPTIONS.value and _RUNNER.value != "beam":
    raise errors.InputError("--beam_options is for --runner=beam")
  _need("data_dir", _DATA_DIR.value)
  if _VERIFY.value:
    if image_info.is_pictures(_DATA_DIR.value):
      digest = image_records.open_dataset(_DATA_DIR.value).verify()
      print(f"{_DATA_DIR.value}: all rows are fine, digest {digest}")
    else:
      preparation.verify(_DATA_DIR.value)
    return
  _need("config", _CONFIG.value)
  if _TAGGER_PATH.value is not None:
    raise errors.InputError(
      "--tagger_path is where --train_tagger writes; a tagger is chosen by "
      f"--config.data.tagger_path={_TAGGER_PATH.value}"
    )
  data = _CONFIG.value.data.to_dict()
  data.pop("digest", None)
  # The section `data` is all that a dataset of text needs.
  if _CONFIG.value.get("tasks", {}).get("kind") == "masked_image":
    _prepare_pictures(_CONFIG.value.seed, data)
    return
  how = preparation.HowToRun(
    _RUNNER.value, _NUM_WORKERS.value, _BEAM_OPTIONS.value, _DRY_RUN.value
  )
  preparation.prepare(_DATA_DIR.value, **data, how=how)


def _prepare_pictures(seed: int, data: dict) -> None:
  if _RUNNER.value != "local":
    raise errors.InputError(
      f"--runner={_RUNNER.value}: pictures are prepared by the local one"
    )
  runners.check(_RUNNER.value, _NUM_WORKERS.value)
  size = data["image_size"]
  sources = image_sources.open_sources(
    data["sources"],
    seed=seed,
    image_size=size,
    train_rows=data["train_rows"],
    eval_rows=data["eval_rows"],
    multimodal_folder=data["multimodal_folder"],
  )
  image_preparation.prepare(
    _DATA_DIR.value,
    sources,
    shape=(size, size),
    if_bad=data["if_bad"],
    num_workers=_NUM_WORKERS.value or runners.num_cores(),
    is_dry=_DRY_RUN.value,
  )


def _need(name: str, value: object) -> None:
  if value is None:
    raise errors.InputError(f"--{name} must have a value")


if __name__ == "__main__":
  program.run(main)
