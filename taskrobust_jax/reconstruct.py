r"""Shows what runs of masked autoencoders make of held-out pictures.

  python -m taskrobust_jax.reconstruct RUN_DIR ... --out=DIR \
    [--data_dir=DIR] [--num_images=4]

Writes DIR/reconstruction_<i>.png for the first held-out examples: every
modality as it is, the patches that were shown (the same to all runs), and what
each run's newest checkpoint predicts, with the example's losses; the lowest of
a column is bold. The runs are of one dataset.
"""

from collections.abc import Sequence
import pathlib

from absl import flags
import numpy as np

from taskrobust_jax import program
from taskrobust_jax.errors import InputError
from taskrobust_jax.report.panels import Row, write_panels
from taskrobust_jax.train.reconstruction import Reconstruction, reconstruct
from taskrobust_jax.train.restored import restore

_OUT = program.define_path("out", "Folder of the pictures.")
_DATA_DIR = program.define_path("data_dir", "What `prepare` wrote.")
_NUM_IMAGES = flags.DEFINE_integer(
  "num_images", 4, "How many examples.", lower_bound=1
)
_NOTE = (
  "patches that were shown stand pale in the predictions; grey: unknown; "
  "numbers: the example's loss"
)
_NORMALISED = "; RGB predictions have the mean and contrast of the true patch"


def main(folders: Sequence[str]) -> None:
  """Restores the runs and writes a picture for each example."""
  if not folders:
    raise InputError("no run folders given: give one or more")
  program.cache_compiled()
  runs = [restore(folder, _DATA_DIR.value) for folder in folders]
  digests = {run.experiment.identity["data_digest"] for run in runs}
  if len(digests) > 1:
    raise InputError("the runs are of different datasets")
  held_out = runs[0].dataset.split("eval")
  tasks = runs[0].experiment.identity["config"]["tasks"]
  # A run of text has none; `reconstruct` refuses it.
  found = {
    run.experiment.identity["config"]["tasks"].get("normalise_pixels")
    for run in runs
  }
  if len(found) > 1:
    raise InputError(f"the runs have different tasks.normalise_pixels: {found}")
  (is_normalised,) = found
  found = reconstruct(
    [(run.experiment.suite, run.state.params) for run in runs],
    held_out.read(np.arange(min(_NUM_IMAGES.value, len(held_out)))),
    is_normalised,
  )
  note = _NOTE
  if is_normalised and "rgb" in tasks["outputs"]:
    note += _NORMALISED
  out = pathlib.Path(_OUT.value)
  names = [pathlib.Path(folder).resolve().name for folder in folders]
  try:
    out.mkdir(parents=True, exist_ok=True)
    for i, one in enumerate(found):
      path = out / f"reconstruction_{i}.png"
      write_panels(_rows(names, one), note, path)
      print(f"wrote {path}")
  except OSError as error:
    raise InputError(f"cannot write to --out={out}: {error}") from error


def _rows(names: Sequence[str], one: Reconstruction) -> list[Row]:
  rows = [Row("true", one.true), Row("shown", one.visible)]
  for name, predicted, losses in zip(
    names, one.predicted, one.losses, strict=True
  ):
    best = frozenset(
      task
      for task, loss in losses.items()
      if len(names) > 1 and loss == min(other[task] for other in one.losses)
    )
    captions = {task: f"{loss:.3f}" for task, loss in losses.items()}
    rows.append(Row(name, predicted, captions, best))
  return rows


if __name__ == "__main__":
  flags.mark_flags_as_required(["out"])
  program.run_with_words(main)
