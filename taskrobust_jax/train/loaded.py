"""A pre-trained model opened by the name of its folder: `load`."""

from collections.abc import Callable
import pathlib
import re
import shutil
from typing import Any, NamedTuple

import jax
import numpy as np

from taskrobust_jax import files, minimax
from taskrobust_jax.data.text import vocabulary
from taskrobust_jax.errors import InputError
from taskrobust_jax.models.bert import Bert
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.multimae import MultiMae
from taskrobust_jax.storage import saved, verify, weights
from taskrobust_jax.train import start, suites
from taskrobust_jax.train.folder import MANIFEST, read_manifest
from taskrobust_jax.train.state import stream

RANDOM = "random:"


class Model(NamedTuple):
  """A model as pure functions.

  Attributes:
    kind: One of `weights.KINDS`.
    options: What it is made of, JSON values as in model.json.
    init: key -> params.
    apply: Of text: (params, tokens, segment_ids, positions, targets_at) ->
      logits [B, M, V] f32; see `models.bert.Bert`. Of pictures: (params,
      patches, order, num_visible) -> predictions; see `models.multimae`.
    encode: (params, tokens, segment_ids, positions) -> hidden states [B, L, D];
      (params, patches, visible) -> hidden states [B, 1 + V, D].
  """

  kind: str
  options: dict[str, Any]
  init: Callable[[jax.Array], Any]
  apply: Callable[..., jax.Array]
  encode: Callable[..., jax.Array]


class Loaded(NamedTuple):
  """What `load` gives.

  Attributes:
    model: The model.
    params: Nested dict of f32 arrays, on the host.
    tokenizer: A `tokenizers.Tokenizer`; `None` of a model of pictures.
    info: Where they are from: JSON values, as in a fine-tuning's manifest.
  """

  model: Model
  params: dict[str, Any]
  tokenizer: Any
  info: dict[str, Any]


def load(place: str | pathlib.Path) -> Loaded:
  """Opens a pre-trained model; nothing is written.

    bert = taskrobust_jax.load("runs/quickstart/minimax")
    hidden = bert.model.encode(bert.params, tokens, segment_ids, positions)

  Args:
    place: The folder of a run, "FOLDER@STEP" for another checkpoint than the
      newest whole one, or a folder of converted weights. "random:FOLDER" is the
      same model with new params, drawn by the run's seed.

  Raises:
    InputError: If there is no such model, a checkpoint that is damaged, or
      files that do not fit each other.
  """
  text = str(place)
  is_random = text.startswith(RANDOM)
  name, step = _split_step(text.removeprefix(RANDOM))
  folder = pathlib.Path(name)
  if not folder.is_dir():
    raise InputError(f"{name} is no folder of a run or of converted weights")
  is_run = (folder / MANIFEST).exists()
  if step is not None and (is_random or not is_run):
    raise InputError(
      f"{text} names a step, which only a run's checkpoints have"
    )
  model = model_of(weights.read_model(folder))
  tokenizer = _tokenizer(folder, model)
  manifest = read_manifest(folder) if is_run else None
  info = _info(folder, manifest)
  if is_random:
    info |= {"init": "random", "strategy": "random"}
    params = jax.device_get(jax.jit(model.init)(stream("init", info["seed"])))
    return Loaded(model, params, tokenizer, info)
  if is_run:
    step, params = _read_checkpoint(folder / "checkpoints", step)
    batch_size = info["config"]["batch_size"]
    info |= {"init": "run", "step": step, "num_examples": step * batch_size}
  else:
    params = weights.read_weights(folder)
    info |= {"init": "weights", "strategy": "converted"}
  start.check_shapes(
    text, params, jax.eval_shape(model.init, jax.random.key(0))
  )
  return Loaded(model, params, tokenizer, info)


def model_of(description: dict[str, Any]) -> Model:
  """The model that a model.json describes.

  Raises:
    InputError: If it has options that are not legal.
  """
  kind, options = description["kind"], dict(description["options"])
  parts: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "bert": (Bert, suites.bert_options),
    "mae": (MultiMae, suites.mae_options),
  }
  module, make_options = parts[kind]
  try:
    checked = make_options(**options)
    init, apply = functional(lambda rngs: module(checked, rngs))
  except InputError:
    raise
  except (TypeError, KeyError, ValueError, AttributeError) as error:
    raise InputError(f"{weights.MODEL_FILE}: options: {error}") from error

  def encode(params, *inputs, **named):
    return apply(params, *inputs, method="encode", **named)

  return Model(kind, options, init, apply, encode)


def describe(folder: pathlib.Path, config: Any, dataset: Any) -> None:
  """Writes what `load` needs beside a run's checkpoints.

  That is model.json, and the tokenizer.json of a dataset of text.

  Args:
    folder: The run's.
    config: Its config.
    dataset: Its dataset.
  """
  if jax.process_index():
    return
  if not (folder / weights.MODEL_FILE).exists():
    model = suites.describe_model(config, dataset.info)
    weights.write_model(folder, model)
  tokenizer = folder / weights.TOKENIZER_FILE
  if config.tasks.kind == "masked_language" and not tokenizer.exists():
    temporary = tokenizer.with_suffix(".json.tmp")
    shutil.copyfile(dataset.tokenizer_file(), temporary)
    files.replace(str(temporary), str(tokenizer))


def _split_step(text: str) -> tuple[str, int | None]:
  """("FOLDER", 100) of "FOLDER@100"."""
  folder, at, step = text.rpartition("@")
  if at and step.isascii() and step.isdecimal():
    return folder, int(step)
  return text, None


def _tokenizer(folder: pathlib.Path, model: Model) -> Any:
  if model.kind != "bert":
    return None
  tokenizer = vocabulary.read_json(str(folder / weights.TOKENIZER_FILE))
  size, expected = vocabulary.size(tokenizer), model.options["vocabulary_size"]
  if size > expected:
    raise InputError(
      f"{folder / weights.TOKENIZER_FILE} has ids up to {size - 1}; the model "
      f"knows {expected}: the tokenizer is of another model"
    )
  return tokenizer


def _info(
  folder: pathlib.Path, manifest: dict[str, Any] | None
) -> dict[str, Any]:
  config = manifest["config"] if manifest else None
  return {
    "workdir": str(folder.resolve()),
    "init": "",
    "step": 0,
    "strategy": _strategy_text(config["minimax"]) if config else "",
    "seed": config["seed"] if config else 0,
    "num_examples": 0,
    "data_digest": manifest["data_digest"] if manifest else None,
    "config": config,
  }


def _strategy_text(section: dict[str, Any]) -> str:
  """The strategy with those of its arguments that are not the defaults."""
  section = dict(section)
  name = section.pop("strategy")
  try:
    defaults = minimax.signature(name, section.get("signal"))
  except (TypeError, ValueError):
    defaults = {}  # Of another version: all are shown.
  defaults = {**defaults, "order": "alternating"}
  shown = ", ".join(
    f"{key}={section[key]}"
    for key in dict.fromkeys((*defaults, *section))
    if key in section and section[key] != defaults.get(key, section)
  )
  return f"{name}({shown})" if shown else name


def _read_checkpoint(
  folder: pathlib.Path, step: int | None
) -> tuple[int, dict[str, Any]]:
  """(step, params) of a checkpoint; the newest whole one if `step` is None."""
  steps = saved.steps_in(folder)
  if step is not None and step not in steps:
    raise InputError(
      f"{folder} has no checkpoint of step {step}; it has "
      f"{', '.join(map(str, steps)) or 'none'}"
    )
  problems = []
  for candidate in reversed(steps) if step is None else [step]:
    try:
      return candidate, _params_in(verify.verify(folder, candidate))
    except saved.DamageError as error:
      problems.append(str(error))
      if step is None:
        print(f"skips {error}", flush=True)
  raise InputError("; ".join(problems) or f"{folder} holds no checkpoint yet")


def _params_in(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
  """The params of a state, from `.params['a']['b']` -> array."""
  params: dict[str, Any] = {}
  for path, array in arrays.items():
    names = re.findall(r"\['(.*?)'\]", path)
    if path != ".params" + "".join(f"['{name}']" for name in names):
      continue
    place = params
    for name in names[:-1]:
      place = place.setdefault(name, {})
    place[names[-1]] = array
  return params
