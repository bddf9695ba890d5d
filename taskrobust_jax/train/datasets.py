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
from taskrobust_jax.data.tagging import taggers
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
    config: `data` and `tasks` are read.
    data_dir: What `prepare` wrote; none for `data.sources` = ("scenes",), which
      are made as they are read: `data.image_size`, `data.train_rows`,
      `data.eval_rows`.
    digest: What the dataset must have; `config.data.digest` if `None`.

  Returns:
    A dataset with `info` and `split(name)`.

  Raises:
    InputError: If it is not there, damaged, another, or made by another
      `data.image_size` or, where each tag is a task, `data.tagger`.
  """
  check_kind(config.tasks.kind)
  data = config.data
  digest = digest or data.digest or None
  if config.tasks.kind != "masked_image":
    if not data_dir:
      raise InputError("--data_dir must be given: what `prepare` wrote")
    dataset = records.open_dataset(
      data_dir, row_length=data.row_length, digest=digest
    )
    _check_tagger(config, dataset.info.tagger, data_dir)
    return dataset
  if data_dir:
    dataset = image_records.open_dataset(data_dir, digest=digest)
    if dataset.info.height != data.image_size:
      raise InputError(
        f"data.image_size is {data.image_size}; the pictures in {data_dir} "
        f"have {dataset.info.height}"
      )
    return dataset
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


def _check_tagger(config: ConfigDict, found: str, data_dir: str) -> None:
  """Where each tag is a task, the data have those that the config names."""
  asked = config.data.tagger
  is_split = not config.tasks.groups and config.tasks.hiding == "word_groups"
  # Of data by difficulty the config names who tagged what they were made from.
  is_of_speech = asked in ("perceptron", "pattern", "gold")
  if found.startswith("difficulty:") and is_of_speech:
    return
  if is_split and taggers.full_name(asked) != taggers.full_name(found):
    raise InputError(
      f"data.tagger is {asked!r}; the words in {data_dir} were tagged by "
      f"{found!r}"
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
  if len(data.crop_scale) != 2 or not (
    0 < data.crop_scale[0] <= data.crop_scale[1] <= 1
  ):
    raise InputError(
      f"data.crop_scale must be 0 < low <= high <= 1, got {data.crop_scale}"
    )
  if not 0 <= data.flip <= 1:
    raise InputError(f"data.flip must be in [0, 1], got {data.flip}")
  low, high = data.crop_scale
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
