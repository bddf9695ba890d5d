"""What masked autoencoders make of examples, as pictures side by side."""

from collections.abc import Mapping, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks import modalities
from taskrobust_jax.tasks.masked_image import MaskedImage
from taskrobust_jax.tasks.painting import paint, replace_patches
from taskrobust_jax.train.state import stream

_PALE = 0.75  # How much white there is in a patch that was not predicted.
_SAME = ("inputs", "task_names", "image_size", "patch", "num_visible")


class Reconstruction(NamedTuple):
  """Pictures [H, W, 3] in [0, 1] of one example, by modality.

  Attributes:
    true: What the example has of inputs and tasks.
    visible: Of each input, the patches that were shown; the others are white.
    predicted: For each model. Patches that count for nothing are the true
      ones, pale.
    losses: For each model, the loss of each task on this example.
  """

  true: dict[str, np.ndarray]
  visible: dict[str, np.ndarray]
  predicted: list[dict[str, np.ndarray]]
  losses: list[dict[str, float]]


def reconstruct(
  models: Sequence[tuple[MaskedImage, Any]],
  rows: Mapping[str, np.ndarray],
  normalise_pixels: bool,
) -> list[Reconstruction]:
  """Shows the same patches of the same examples to some models.

  Args:
    models: (suite, params) of each.
    rows: [n, ...] examples.
    normalise_pixels: As given to `modalities.make`.

  Returns:
    n `Reconstruction`s.

  Raises:
    InputError: If the models are not shown the same, or no pictures.
  """
  suite = _common_suite([suite for suite, _ in models])
  batch = jax.tree.map(jnp.asarray, dict(rows))
  order = jax.jit(suite.draw_order)(batch, stream("evaluate", 0))
  is_hidden = jax.device_get(suite.is_hidden(order))
  names = tuple(dict.fromkeys((*suite.inputs, *suite.task_names)))
  kinds, patch = suite.modalities, suite.patch
  targets = {name: kinds[name].target(batch, patch) for name in names}

  def as_seen(name, values):
    if name == "rgb" and normalise_pixels:
      values = modalities.unstandardise_patches(values, batch, patch)
    return np.asarray(values)

  true = {name: as_seen(name, targets[name].values) for name in names}
  outputs = []  # Of each model: task -> (as seen, losses), both [n, N, P].
  for own, params in models:
    predicted = jax.jit(
      lambda params, own=own: own.apply(
        params, own.show(batch), order, own.num_visible
      )
    )(params)
    outputs.append({})
    for name, values in predicted.items():
      losses = np.asarray(kinds[name].loss(values, targets[name].values))
      if kinds[name].classes:
        values = kinds[name].classes(values)
      outputs[-1][name] = as_seen(name, values), losses

  found = []
  for i in range(len(order)):
    one = Reconstruction({}, {}, [{} for _ in models], [{} for _ in models])
    for name in names:
      is_known = np.asarray(targets[name].is_known[i])
      if not is_known.any():
        continue
      paint_it = functools.partial(
        paint, name, is_known=is_known, like=true[name][i], patch=patch
      )
      hidden = is_hidden.get(name, is_hidden[suite.inputs[0]])[i]
      picture = one.true[name] = paint_it(true[name][i])
      if name in suite.inputs:
        one.visible[name] = replace_patches(picture, hidden, 1.0)
      for k, by_task in enumerate(outputs):
        if name not in by_task:
          continue
        values, losses = by_task[name]
        counts = is_known & hidden[:, None]
        one.losses[k][name] = float(losses[i][counts].mean())
        one.predicted[k][name] = replace_patches(
          paint_it(values[i]), ~hidden, _PALE + (1 - _PALE) * picture
        )
    found.append(one)
  return found


def _common_suite(suites: Sequence[Any]) -> MaskedImage:
  """The first of suites that are shown and recover the same."""
  first = suites[0]
  for suite in suites:
    if not isinstance(suite, MaskedImage):
      raise InputError("the tasks of a run are not those of pictures")
    for name in _SAME:
      if getattr(suite, name) != getattr(first, name):
        raise InputError(
          f"the runs have different {name}: {getattr(first, name)}, "
          f"{getattr(suite, name)}"
        )
  return first
