"""From a config to the dataset of a run."""

from collections.abc import Callable, Sequence
import functools
from typing import Any

from ml_collections import ConfigDict
import numpy as np

from taskrobust_jax.data.pictures import (
  crops,
  image_records,
  image_sources,
  scene_dataset,
)
from taskrobust_jax.data.text import records
from taskrobust_jax.errors import InputError
from taskrobust_jax.train.checks import check_count
from taskrobust_jax.train.suites import check_kind

Change = Callable[[np.ndarray, dict[str, np.ndarray]], dict[str, np.ndarray]]


def open_dataset(
  config: ConfigDict, data_dir: str | None, digest: str | None = None
) -> Any:
  """Opens the dataset that a config is for.

  Args:
    config: `data` and `tasks.kind` are read.
    data_dir: What `prepare` wrote; none for `data.sources` = ("scenes",), which
      are made as they are read: `data.image_size`, `data.train_rows`,
      `data.eval_rows`.
    digest: What the dataset must have; `config.data.digest` if `None`.

  Returns:
    A dataset with `info` and `split(name)`.

  Raises:
    InputError: If it is not there, damaged, or another.
  """
  check_kind(config.tasks.kind)
  data = config.data
  digest = digest or data.digest or None
  if config.tasks.kind != "masked_image":
    if not data_dir:
      raise InputError("--data_dir must be given: what `prepare` wrote")
    return records.open_dataset(
      data_dir, row_length=data.row_length, digest=digest
    )
  if data_dir:
    return image_records.open_dataset(data_dir, digest=digest)
  if tuple(data.sources) != (image_sources.SCENES,):
    raise InputError(
      f"--data_dir must be given for data.sources {tuple(data.sources)}; only "
      "scenes are made as they are read"
    )
  for name in ("image_size", "train_rows", "eval_rows"):
    check_count(f"data.{name}", data[name])
  return scene_dataset.SceneDataset(
    config.seed,
    {"train": data.train_rows, "eval": data.eval_rows},
    data.image_size,
    digest=digest,
  )


def augmentation(
  config: ConfigDict, size: int
) -> Callable[[int], Change | None]:
  """What is done to the pictures of a training batch.

  Args:
    config: `data.crop_scale`, the smallest and largest share of a picture, and
      `data.flip`, the probability of the mirror image, are read.
    size: Of the result, in pixels.

  Returns:
    step -> a function of (places in the global batch, rows), or `None` where
    pictures stay as they are. What is drawn depends on seed, step and place.

  Raises:
    InputError: If a value is not legal.
  """
  data = config.data
  low, high = data.crop_scale
  if not 0 < low <= high <= 1:
    raise InputError(
      f"data.crop_scale must be 0 < low <= high <= 1, got {data.crop_scale}"
    )
  if not 0 <= data.flip <= 1:
    raise InputError(f"data.flip must be in [0, 1], got {data.flip}")
  if low == 1 and not data.flip:
    return lambda step: None
  ratio = (1.0, 1.0) if low == 1 else (3 / 4, 4 / 3)

  def change(step: int, places: Sequence[int], rows: dict[str, np.ndarray]):
    return crops.random_crops(
      [(config.seed, step, int(place)) for place in places],
      rows,
      size,
      scale=(low, high),
      ratio=ratio,
      flip=data.flip,
    )

  return lambda step: functools.partial(change, step)
