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
  names = tuple(dict.fromkeys((*suite.inputs, *suite.task_names)))
  kinds, patch = suite.modalities, suite.patch

  def as_seen(name, values, batch):
    if name == "rgb" and normalise_pixels:
      return modalities.unstandardise_patches(values, batch, patch)
    return values

  @jax.jit
  def truth(batch):
    """Order, hidden patches; modality -> (values as seen, is_known)."""
    order = suite.draw_order(batch, stream("evaluate", 0))
    targets = {name: kinds[name].target(batch, patch) for name in names}
    seen = {
      name: (as_seen(name, target.values, batch), target.is_known)
      for name, target in targets.items()
    }
    return order, suite.is_hidden(order), seen

  @functools.partial(jax.jit, static_argnums=0)
  def predict(apply, params, batch, order):
    """Task -> (values as seen, losses), both [n, N, P]."""
    predicted = apply(params, suite.show(batch), order, suite.num_visible)
    found = {}
    for name, values in predicted.items():
      target = kinds[name].target(batch, patch).values
      losses = kinds[name].loss(values, target)
      if kinds[name].classes:
        values = kinds[name].classes(values)
      found[name] = as_seen(name, values, batch), losses
    return found

  batch = jax.tree.map(jnp.asarray, dict(rows))
  order, is_hidden, true = jax.device_get(truth(batch))
  outputs = [
    jax.device_get(predict(own.apply, params, batch, order))
    for own, params in models
  ]

  def painted(i):
    """The pictures of example i."""
    one = Reconstruction({}, {}, [{} for _ in models], [{} for _ in models])
    for name in names:
      values, is_known = (x[i] for x in true[name])
      if not is_known.any():
        continue  # The example does not have it.
      paint_it = functools.partial(
        paint, name, is_known=is_known, like=values, patch=patch
      )
      hidden = is_hidden.get(name, is_hidden[suite.inputs[0]])[i]
      picture = one.true[name] = paint_it(values)
      pale = _PALE + (1 - _PALE) * picture
      if name in suite.inputs:
        one.visible[name] = replace_patches(picture, hidden, 1.0)
      counts = is_known & hidden[:, None]
      for k, by_task in enumerate(outputs):
        if name in by_task and counts.any():
          values, losses = (x[i] for x in by_task[name])
          one.losses[k][name] = float(losses[counts].mean())
          one.predicted[k][name] = replace_patches(
            paint_it(values), ~hidden, pale
          )
    return one

  return [painted(i) for i in range(len(order))]


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
