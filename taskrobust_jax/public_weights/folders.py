"""Folders of public weights: Hugging Face's BERT and MAE, the authors' MAE.

A folder holds model.safetensors and config.json; of BERT also tokenizer.json or
vocab.txt. Nothing in it is run: files of pickles are refused.
"""

import json
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from taskrobust_jax import files
from taskrobust_jax.data.text import vocabulary
from taskrobust_jax.errors import InputError
from taskrobust_jax.models.functional import functional
from taskrobust_jax.models.heads import MaskedLanguageHead
from taskrobust_jax.public_weights import bert, mae, mae_names
from taskrobust_jax.storage import safetensors_file
from taskrobust_jax.train import suites
from taskrobust_jax.train.loaded import model_of

FORMS = ("hf_bert", "hf_mae", "mae")
_KINDS = {"hf_bert": "bert", "hf_mae": "mae", "mae": "mae"}
_ARRAYS, _CONFIG = "model.safetensors", "config.json"
_PICKLES = ("*.bin", "*.pth", "*.pt", "*.ckpt", "*.pkl")
_LARGEST_CONFIG = 2**20


class Weights(NamedTuple):
  """A model in our form.

  Attributes:
    params: Nested dict of f32 arrays.
    model: As in model.json.
    tokenizer: The text of a tokenizer.json; `None` of a model of pictures.
    notes: What the conversion left out, added or changed: a line each.
  """

  params: dict[str, Any]
  model: dict[str, Any]
  tokenizer: str | None
  notes: list[str]


def read(form: str, folder: pathlib.Path) -> Weights:
  """Reads public weights.

  Args:
    form: One of `FORMS`.
    folder: Of the files.

  Raises:
    InputError: A file is absent or not of its form, or holds another model than
      ours can be.
  """
  file = folder / _ARRAYS
  _refuse_pickles(folder)
  arrays = safetensors_file.read(file)
  if form == "mae":
    arrays = mae_names.to_hugging_face(arrays)
  if form == "mae" and not (folder / _CONFIG).exists():
    config = mae_names.config_of(arrays, file)
  else:
    config = _read_json(folder / _CONFIG)
  theirs = bert if form == "hf_bert" else mae
  options = theirs.options_of(config, folder / _CONFIG)
  model = {"kind": _KINDS[form], "options": options}
  ours = jax.eval_shape(model_of(model).init, jax.random.key(0))
  shapes = {path: leaf.shape for path, leaf in flat(ours).items()}
  if form != "hf_bert":
    found = mae.read_arrays(arrays, shapes, options, file)
    note = (
      "pictures are in [-1, 1] here: ImageNet's mean and deviation went into "
      "the patch embedding; what is predicted is theirs still"
    )
    return Weights(nested(found), model, None, [note])
  found, left_out = bert.read_arrays(arrays, shapes, file)
  notes = [f"left out, this model has no place for it: {n}" for n in left_out]
  if "head/bias" not in found:
    found |= flat({"head": _new_head(options)})
    notes.append("new and untrained, the file has none: the prediction head")
  tokenizer = _read_tokenizer(folder, options["vocabulary_size"])
  return Weights(nested(found), model, tokenizer, notes)


def write(form: str, folder: pathlib.Path, weights: Weights) -> None:
  """Writes public weights.

  Args:
    form: One of `FORMS`.
    folder: A new one, or an empty one.
    weights: Of ours; `notes` is not read.

  Raises:
    InputError: The form has no such model.
  """
  kind, options = weights.model["kind"], weights.model["options"]
  if kind != _KINDS[form]:
    raise InputError(f"--to={form} takes a {_KINDS[form]}, this is a {kind}")
  arrays = {
    path: np.asarray(x, np.float32) for path, x in flat(weights.params).items()
  }
  if form == "hf_bert":
    config = bert.config_of(options)
    theirs = bert.write_arrays(arrays)
  else:
    config = mae.config_of(options, "the model")
    theirs = mae.write_arrays(arrays, options)
  if form == "mae":
    theirs = mae_names.from_hugging_face(theirs)
  folder.mkdir(parents=True, exist_ok=True)
  if weights.tokenizer is not None:
    (folder / "tokenizer.json").write_text(weights.tokenizer, "utf-8")
  text = json.dumps(config, indent=2) + "\n"
  (folder / _CONFIG).write_text(text, "utf-8")
  # transformers refuses files that do not say which library's they are.
  safetensors_file.write(folder / _ARRAYS, theirs, {"format": "pt"})


def flat(tree: Any) -> dict[str, Any]:
  """{"a/b": leaf} of {"a": {"b": leaf}}."""
  return {
    "/".join(str(part.key) for part in path): leaf
    for path, leaf in jax.tree.leaves_with_path(tree)
  }


def nested(arrays: dict[str, Any]) -> dict[str, Any]:
  """The inverse of `flat`."""
  tree: dict[str, Any] = {}
  for path, array in arrays.items():
    *parents, name = path.split("/")
    place = tree
    for parent in parents:
      place = place.setdefault(parent, {})
    place[name] = array
  return tree


def _new_head(options):
  bert = suites.bert_options(**options)
  init, _ = functional(
    lambda rngs: MaskedLanguageHead(
      bert.transformer, bert.vocabulary_size, rngs
    )
  )
  return jax.device_get(init(jax.random.key(0)))


def _refuse_pickles(folder: pathlib.Path) -> None:
  """Says what to do where there are pickles in place of safetensors."""
  if (folder / _ARRAYS).exists():
    return
  if (folder / f"{_ARRAYS}.index.json").exists():
    raise InputError(
      f"{folder} holds weights in several files; save them as one: "
      'model.save_pretrained(OUT, max_shard_size="100GB")'
    )
  found = [file for end in _PICKLES for file in folder.glob(end)]
  if not found:
    raise InputError(f"{folder} has no {_ARRAYS}")
  raise InputError(
    f"{found[0]} is a pickle, which can run code, and is not read. Where you "
    "trust it: safetensors.torch.save_file(torch.load(FILE, "
    f'weights_only=True), "{_ARRAYS}"), with "model" of it where it has that '
    "key"
  )


def _read_json(file: pathlib.Path) -> dict[str, Any]:
  try:
    return files.read_object(file, _LARGEST_CONFIG)
  except (OSError, ValueError) as error:
    raise InputError(f"{file} cannot be read: {error}") from error


def _read_tokenizer(folder: pathlib.Path, vocabulary_size: int) -> str:
  file = folder / "tokenizer.json"
  if not file.exists():
    file = folder / "vocab.txt"
  if not file.exists():
    raise InputError(f"{folder} has neither tokenizer.json nor vocab.txt")
  tokenizer = vocabulary.read(str(file))
  size = vocabulary.size(tokenizer)
  if size > vocabulary_size:
    raise InputError(
      f"{file} has ids up to {size - 1}; {_CONFIG} tells {vocabulary_size} "
      "pieces"
    )
  settings = folder / "tokenizer_config.json"
  if file.suffix == ".txt" and settings.exists():
    told = _read_json(settings).get("do_lower_case")
    is_lower = json.loads(tokenizer.to_str())["normalizer"]["lowercase"]
    if told is not None and told is not is_lower:
      raise InputError(
        f"{settings}: do_lower_case is {told!r:.20}, which {file} does not "
        "show; give a tokenizer.json"
      )
  return tokenizer.to_str()
