"""What lies in a folder of checkpoints, read without trust and without Orbax.

A step is a folder `checkpoints/<step>/` that holds `state/` (Orbax's arrays),
`metrics/` (its held-out loss) and `manifest/metadata`: a JSON object of what
must be equal for the run to be continued, the dtype, shape and digest of every
array, and a sha256 of itself.
"""

import hashlib
import json
import os
import pathlib
from typing import Any

from taskrobust_jax import files
from taskrobust_jax.errors import InputError

# A manifest has a line an array; a large model's takes some 100 kB.
_LARGEST_MANIFEST = 2**26


class DamageError(InputError):
  """A checkpoint is not what was saved; an older one may be whole."""

  def __init__(self, message: str):
    super().__init__(" ".join(message.split()))  # Orbax says much in lines.


def steps_in(folder: pathlib.Path) -> list[int]:
  """The steps that are there, whole or damaged, ascending.

  What a kill left half-written has a name that is no number.
  """
  if not folder.is_dir():
    return []
  names = [entry.name for entry in folder.iterdir()]
  return sorted(
    int(name)
    for name in names
    if name.isascii() and name.isdecimal() and name == str(int(name))
  )


def sealed(manifest: dict[str, Any]) -> dict[str, Any]:
  """A manifest with its own sha256, which `read_manifest` checks."""
  manifest = json.loads(json.dumps(manifest))
  return {**manifest, "sha256": _sha256(manifest)}


def read_manifest(folder: pathlib.Path, step: int) -> dict[str, Any]:
  """The manifest of a step, as it was saved.

  Args:
    folder: Of the checkpoints.
    step: One of `steps_in(folder)`.

  Returns:
    JSON values; "arrays" maps paths to "float32[2, 3]", "digests" to numbers.

  Raises:
    DamageError: If it is not what was saved, whatever it is.
  """
  place = folder / str(step)
  file = place / "manifest/metadata"
  try:
    if not any(place.iterdir()):
      raise ValueError("the folder is empty")
    manifest = files.read_object(file, _LARGEST_MANIFEST)
    seal = manifest.pop("sha256", None)
    if seal != _sha256(manifest):
      raise ValueError("its manifest does not have the sha256 that it says")
    if manifest["step"] != step:
      raise ValueError(f"its manifest is of step {manifest['step']!r}")
    arrays, digests = manifest["arrays"], manifest["digests"]
    if not isinstance(arrays, dict) or not isinstance(digests, dict):
      raise TypeError("its manifest's arrays or digests are no JSON object")
    if set(arrays) != set(digests) or not all(
      isinstance(arrays[path], str) and type(digests[path]) is int
      for path in arrays
    ):
      raise ValueError("its manifest does not tell every array's digest")
  except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
    problem = f"it has no {error}" if isinstance(error, KeyError) else error
    raise DamageError(f"checkpoint {place} is damaged: {problem}") from error
  return manifest


def check_manifest(
  place: pathlib.Path,
  manifest: dict[str, Any],
  identity: dict[str, Any],
  arrays: dict[str, str],
) -> None:
  """Raises unless a manifest is of this run and its arrays.

  Args:
    place: Of the step, for messages.
    manifest: From `read_manifest`.
    identity: What must be equal.
    arrays: From `described_arrays`: dtypes and shapes by path.

  Raises:
    InputError: If it is of another run.
    DamageError: If it tells of other arrays.
  """
  for name, value in identity.items():
    if manifest.get(name) != value:
      raise InputError(
        f"checkpoint {place} is of another run: its {name} is "
        f"{manifest.get(name)!r}, this run's is {value!r}"
      )
  # Orbax would cast another dtype in silence.
  found = manifest["arrays"]
  for path in sorted(arrays.keys() | found.keys()):
    seen, expected = found.get(path, "absent"), arrays.get(path, "absent")
    if seen != expected:
      raise DamageError(
        f"checkpoint {place} does not fit: array {path} is {seen}, expected "
        f"{expected}"
      )


def compare_digests(
  place: pathlib.Path, manifest: dict[str, Any], found: dict[str, int]
) -> None:
  """Raises DamageError unless all digests are those of the manifest."""
  for path, digest in manifest["digests"].items():
    if found.get(path) != digest:
      raise DamageError(
        f"checkpoint {place} is damaged: array {path} has digest "
        f"{found.get(path)}, saved was {digest}"
      )


def check_loss(folder: pathlib.Path, step: int) -> None:
  """Raises DamageError if the held-out loss beside a step is not what it was.

  A step that was not evaluated has none.
  """
  file = folder / str(step) / "metrics/metrics"
  try:
    metrics = files.read_object(file, _LARGEST_MANIFEST)
    if not all(isinstance(value, int | float) for value in metrics.values()):
      raise ValueError("its metrics are no numbers")
  except FileNotFoundError:
    return
  except (OSError, ValueError) as error:
    raise DamageError(
      f"checkpoint {folder / str(step)} is damaged: {error}"
    ) from error


def set_aside(folder: pathlib.Path, step: int) -> pathlib.Path:
  """Moves a step out of the way of a later one of the same number.

  Returns:
    Where it lies now: `set_aside/<step>` beside the folder.
  """
  target = folder.with_name("set_aside") / str(step)
  target.parent.mkdir(exist_ok=True)
  number = 1
  while target.exists():
    number += 1
    target = target.with_name(f"{step}.{number}")
  os.rename(folder / str(step), target)
  return target


def _sha256(manifest: dict[str, Any]) -> str:
  text = json.dumps(manifest, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()
