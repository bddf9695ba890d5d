"""What is fine-tuned by the kind of the pre-trained model: text or pictures."""

from collections.abc import Callable
import functools
from typing import NamedTuple

from ml_collections import ConfigDict

from taskrobust_jax.errors import InputError
from taskrobust_jax.train.loaded import Loaded
from taskrobust_jax.transfer import (
  image_encoder,
  image_tasks,
  text_encoder,
  text_tasks,
)
from taskrobust_jax.transfer.task import DownstreamTask, Encoder

# Kind of a model: a section that its configs alone have, and one of them.
_SECTIONS = {
  "bert": ("tables", "configs/finetune_glue.py"),
  "mae": ("pictures", "configs/finetune_vision.py"),
}


class Downstream(NamedTuple):
  """What a pre-trained model can be fine-tuned on.

  Attributes:
    encoder: Of the model.
    check_name: Raises InputError unless there is a task of this name.
    make_task: name -> the task.
  """

  encoder: Encoder
  check_name: Callable[[str], None]
  make_task: Callable[[str], DownstreamTask]


def open_downstream(
  loaded: Loaded, config: ConfigDict, data_dir: str
) -> Downstream:
  """Chooses by the kind of the model.

  Args:
    loaded: From `load`.
    config: Of the model's kind.
    data_dir: GLUE's folder; not used for pictures.

  Raises:
    InputError: If the config is of another kind, or a value is not legal.
  """
  section, example = _SECTIONS[loaded.model.kind]
  if section not in config:
    raise InputError(
      f"{loaded.info['workdir']} holds a model of kind {loaded.model.kind!r}, "
      f"and --config is not for it; {example} is"
    )
  if loaded.model.kind == "bert":
    encoder = text_encoder.make_encoder(loaded, **config.model)
    make_task = functools.partial(
      text_tasks.make_task,
      data_dir=data_dir,
      tokenizer=loaded.tokenizer,
      config=config,
      width=encoder.width,
      max_length=loaded.model.options["max_length"],
    )
    check_name = text_tasks.check_name
  else:
    encoder = image_encoder.make_encoder(loaded, **config.model)
    size, num_rows = image_encoder.image_size(loaded)
    make_task = functools.partial(
      image_tasks.make_task,
      config=config,
      width=encoder.width,
      image_size=size,
      num_rows=num_rows,
    )
    check_name = image_tasks.check_name
  return Downstream(
    encoder, functools.partial(check_name, config=config), make_task
  )
