"""From a config to the model and its tasks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict
import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.models.bert import Bert, BertOptions
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.multimae import MultiMae, MultiMaeOptions
from taskrobust_jax.models.transformer import REMAT_SAVES, TransformerOptions
from taskrobust_jax.tasks import denoisers, modalities
from taskrobust_jax.tasks.corruption import make_vocabulary
from taskrobust_jax.tasks.denoisers import Denoisers
from taskrobust_jax.tasks.groups import groups_of, task_of_tag
from taskrobust_jax.tasks.hiding import Hiding, WordGroups
from taskrobust_jax.tasks.masked_image import MaskedImage
from taskrobust_jax.tasks.masked_language import MaskedLanguage
from taskrobust_jax.tasks.suite import TaskSuite
from taskrobust_jax.train.checks import check_count

DTYPES = ("float32", "bfloat16")
KINDS = ("masked_language", "masked_image")


def check_kind(kind: str) -> None:
  """Raises InputError unless there are tasks of this kind."""
  if kind not in KINDS:
    raise InputError(f"tasks.kind must be in {KINDS}, got {kind!r}")


def make_suite(
  config: ConfigDict, info: Any
) -> tuple[Callable[[jax.Array], Any], TaskSuite]:
  """The model's initialiser and the tasks.

  Args:
    config: `model` and `tasks` are read; `tasks.kind` says which.
    info: Of the dataset.

  Returns:
    (init_params, suite).

  Raises:
    InputError: If a value of the config is not legal, or the dataset is of
      another kind.
  """
  check_kind(config.tasks.kind)
  kind = config.tasks.kind
  make, feature, what = {
    "masked_language": (masked_language, "vocabulary_size", "text"),
    "masked_image": (masked_image, "modalities", "pictures"),
  }[kind]
  if not hasattr(info, feature):
    raise InputError(
      f"tasks.kind is {kind!r}, but the dataset is not of {what}"
    )
  return make(config, info)


def transformers(config: ConfigDict) -> dict[str, ConfigDict]:
  """The sections of a config that describe a transformer, by name."""
  if config.tasks.kind == "masked_language":
    return {"model": config.model}
  names = ("encoder", "decoder")
  return {f"model.{name}": config.model[name] for name in names}


def masked_language(
  config: ConfigDict, info: Any
) -> tuple[Callable[[jax.Array], Any], MaskedLanguage]:
  """The model's initialiser and the suite of masked-language tasks.

  Args:
    config: `model` and `tasks` are read.
    info: Of the prepared dataset.

  Returns:
    (init_params, suite).
  """
  tasks = config.tasks
  for name in ("word_fraction", "max_share"):
    if not 0 < tasks[name] <= 1:
      raise InputError(f"tasks.{name} must be in (0, 1], got {tasks[name]}")

  options = describe_model(config, info)["options"]
  options = bert_options(compute=config.compute, **options)
  init_params, apply = functional(lambda rngs: Bert(options, rngs))
  return init_params, MaskedLanguage(
    apply, _hiding(tasks, info), tasks.budget, tasks.min_rows or None
  )


def describe_model(config: ConfigDict, info: Any) -> dict[str, Any]:
  """What model.json says of a run's model; see `weights`.

  Args:
    config: `model` and `tasks` are read.
    info: Of the dataset.

  Returns:
    {"kind": ..., "options": ...}, JSON values.
  """
  tasks, model = config.tasks, config.model.to_dict()
  if tasks.kind == "masked_language":
    sizes = {
      "vocabulary_size": info.vocabulary_size,
      "max_length": info.row_length,
    }
    return {"kind": "bert", "options": {**model, **sizes}}
  num_rows = info.height // tasks.patch
  kinds = modalities.make(len(info.class_names), tasks.normalise_pixels)
  values = {
    part: {name: kinds[name].num_values(tasks.patch) for name in tasks[part]}
    for part in ("inputs", "outputs")
  }
  options = {"grid": [num_rows, num_rows], **values, **model}
  return {"kind": "mae", "options": options}


def bert_options(
  *,
  vocabulary_size: int,
  max_length: int,
  compute: Mapping[str, Any] | None = None,
  **model: Any,
) -> BertOptions:
  """Checked options of a BERT.

  Args:
    vocabulary_size: V.
    max_length: The longest document, in pieces.
    compute: `config.compute`, or `None` for its defaults.
    **model: The values of `config.model`.

  Raises:
    InputError: If a value is not legal.
  """
  check_count("vocabulary_size", vocabulary_size)
  check_count("max_length", max_length)
  return BertOptions(
    vocabulary_size, max_length, _transformer("model", compute, **model)
  )


def mae_options(
  *,
  grid: Sequence[int],
  inputs: Mapping[str, int],
  outputs: Mapping[str, int],
  encoder: Mapping[str, Any],
  decoder: Mapping[str, Any],
  compute: Mapping[str, Any] | None = None,
  **choices: bool,
) -> MultiMaeOptions:
  """Checked options of a masked autoencoder.

  Args:
    grid: (rows, columns) of patches.
    inputs: Values in a patch of each modality that is shown.
    outputs: Values in a patch of each modality that is recovered.
    encoder: The values of `config.model.encoder`.
    decoder: The values of `config.model.decoder`.
    compute: `config.compute`, or `None` for its defaults.
    **choices: The other values of `config.model`.

  Raises:
    InputError: If a value is not legal.
  """
  common = {"norm_epsilon": 1e-6, "pre_norm": True}
  return MultiMaeOptions(
    tuple(grid),
    dict(inputs),
    dict(outputs),
    _transformer("model.encoder", compute, **{**common, **encoder}),
    _transformer("model.decoder", compute, **{**common, **decoder}),
    **choices,
  )


def _hiding(tasks: ConfigDict, info: Any) -> Hiding:
  """What the tasks of a config hide."""
  vocabulary = make_vocabulary(info.vocabulary_size, info.special_token_ids)
  if tasks.hiding == "denoisers":
    return Denoisers(vocabulary, denoisers.most_predictions(info.row_length))
  if tasks.hiding != "word_groups":
    raise InputError(
      f"tasks.hiding must be word_groups or denoisers, got {tasks.hiding!r}"
    )
  counts = info.tag_counts["train"]
  groups = groups_of(tasks.groups.to_dict(), info.tag_names, counts)
  return WordGroups(
    task_names=tuple(groups),
    tag_tasks=task_of_tag(groups, info.tag_names, counts),
    vocabulary=vocabulary,
    max_predictions=max(1, round(tasks.max_share * info.row_length)),
    word_fraction=tasks.word_fraction,
  )


def masked_image(
  config: ConfigDict, info: Any
) -> tuple[Callable[[jax.Array], Any], MaskedImage]:
  """The model's initialiser and the suite of masked-image tasks.

  Args:
    config: `model` and `tasks` are read.
    info: Of the dataset.

  Returns:
    (init_params, suite).
  """
  tasks = config.tasks
  check_count("tasks.patch", tasks.patch)
  if info.height != info.width:
    raise InputError(
      f"pictures must be square, the dataset has {info.height} x {info.width}"
    )
  kinds = modalities.make(len(info.class_names), tasks.normalise_pixels)
  kinds = {k: v for k, v in kinds.items() if v.source in info.modalities}
  inputs, outputs = tuple(tasks.inputs), tuple(tasks.outputs)

  def apply(*arguments, **named):
    return model_apply(*arguments, **named)

  # It checks names and sizes, which the model is made from.
  suite = MaskedImage(
    apply,
    kinds,
    inputs,
    outputs,
    image_size=info.height,
    patch=tasks.patch,
    num_visible=tasks.num_visible,
    concentration=tasks.concentration,
  )
  for name, section in transformers(config).items():
    if section.dropout_rate:
      raise InputError(
        f"{name}.dropout_rate must be 0, got {section.dropout_rate}: masked "
        "images are trained without dropout"
      )
  options = describe_model(config, info)["options"]
  options = mae_options(compute=config.compute, **options)
  init_params, model_apply = functional(lambda rngs: MultiMae(options, rngs))
  return init_params, suite


def _transformer(
  section: str, compute: Mapping[str, Any] | None, **values: Any
) -> TransformerOptions:
  """Checked options of a transformer."""
  if values["dtype"] not in DTYPES:
    raise InputError(
      f"{section}.dtype must be in {DTYPES}, got {values['dtype']!r}"
    )
  for name in ("num_layers", "width", "num_heads", "mlp_width"):
    check_count(f"{section}.{name}", values[name])
  if values["width"] % values["num_heads"]:
    raise InputError(
      f"{section}.width must be a multiple of {section}.num_heads = "
      f"{values['num_heads']}, got {values['width']}"
    )
  if not 0 <= values["dropout_rate"] < 1:
    raise InputError(
      f"{section}.dropout_rate must be in [0, 1), got {values['dropout_rate']}"
    )
  values["dtype"] = np.dtype(values["dtype"])
  return TransformerOptions(**values, **_compute(compute, section, values))


def _compute(compute, section, values):
  """Of `config.compute`, what a transformer takes."""
  if compute is None:
    return {}
  if compute["remat_saves"] not in REMAT_SAVES:
    raise InputError(
      f"compute.remat_saves must be in {tuple(REMAT_SAVES)}, got "
      f"{compute['remat_saves']!r}"
    )
  _check_attention(compute["attention"], section, values["dtype"].name)
  return {name: compute[name] for name in ("remat_saves", "attention")}


def _check_attention(name: str, section: str, dtype: str) -> None:
  """Raises InputError unless attention can be computed so here."""
  if name not in ("xla", "cudnn"):
    raise InputError(
      f"compute.attention must be in ('xla', 'cudnn'), got {name!r}"
    )
  if name == "cudnn" and (dtype, jax.default_backend()) != ("bfloat16", "gpu"):
    raise InputError(
      "compute.attention 'cudnn' needs an NVIDIA GPU and "
      f"{section}.dtype bfloat16, got {jax.default_backend()} and {dtype}"
    )
