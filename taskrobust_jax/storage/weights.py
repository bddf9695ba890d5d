"""Weights in a folder of their own, ours or converted from elsewhere.

  params.safetensors   float32 arrays, named by their path, joined with "/"
  model.json           {"kind": ..., "options": {...}}: what model they are of
  tokenizer.json       of a model of text

A folder of a run has the two JSON files too, beside its checkpoints.
"""

import pathlib
from typing import Any

import jax
import numpy as np

from taskrobust_jax import files
from taskrobust_jax.errors import InputError
from taskrobust_jax.storage import safetensors_file

PARAMS_FILE = "params.safetensors"
MODEL_FILE = "model.json"
TOKENIZER_FILE = "tokenizer.json"
KINDS = ("bert", "mae")
_LARGEST_MODEL_FILE = 2**20


def read_weights(folder: str | pathlib.Path) -> dict[str, Any]:
  """Reads what `write_weights` wrote.

  Args:
    folder: It.

  Returns:
    A nested dict of float32 arrays on the host; `read_model` says what they
    are of.

  Raises:
    InputError: If a file is absent, damaged, or not of its form.
  """
  file = pathlib.Path(folder) / PARAMS_FILE
  params: dict[str, Any] = {}
  for path, array in safetensors_file.read(file).items():
    if array.dtype != np.float32:
      raise InputError(
        f"{file}: {path} is of {array.dtype}; params are float32"
      )
    *parents, name = path.split("/")
    place = params
    for parent in parents:
      place = place.setdefault(parent, {})
      if not isinstance(place, dict):
        raise InputError(f"{file}: {path} lies inside of an array")
    if name in place:
      raise InputError(f"{file}: {path} is an array and holds others")
    place[name] = array
  return params


def write_weights(
  folder: str | pathlib.Path, params: Any, model: dict[str, Any]
) -> None:
  """Writes params and what they are of.

  Args:
    folder: It is made if need be.
    params: Nested dict of arrays, in float32.
    model: {"kind": one of `KINDS`, "options": JSON values}.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  arrays = {
    "/".join(str(part.key) for part in path): np.asarray(array, np.float32)
    for path, array in jax.tree.leaves_with_path(jax.device_get(params))
  }
  safetensors_file.write(folder / PARAMS_FILE, arrays)
  write_model(folder, model)


def read_model(folder: pathlib.Path) -> dict[str, Any]:
  """What model a folder holds.

  Raises:
    InputError: If it does not say so.
  """
  file = folder / MODEL_FILE
  try:
    model = files.read_object(file, _LARGEST_MODEL_FILE)
    if model["kind"] not in KINDS or not isinstance(model["options"], dict):
      raise ValueError(f"its kind must be in {KINDS}, its options an object")
  except FileNotFoundError as error:
    raise InputError(
      f"{folder} holds no model: it has no {MODEL_FILE}; to a run that was "
      "made before there were any, `pretrain` adds it when it is started again"
    ) from error
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(f"{file}: is no model's: {error}") from error
  return model


def write_model(folder: pathlib.Path, model: dict[str, Any]) -> None:
  """Writes model.json so that it is there whole or not."""
  files.write_object(folder / MODEL_FILE, model)
