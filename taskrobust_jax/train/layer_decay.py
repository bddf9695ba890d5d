"""Layer-wise decay of the learning rate, for fine-tuning an encoder."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

_ENCODER = "encoder"
_STACK = (_ENCODER, "transformer", "layers")


def scale_by_layer(decay: float) -> optax.GradientTransformation:
  """Makes updates smaller the deeper they are, as BEiT and MAE do.

    update <- decay^(L - i) update   for layer i = 0, ..., L - 1
    update <- decay^(L + 1) update   for what stands before the layers

  The head's stay as they are. Params are {"encoder": ..., "head": ...}; layers
  are stacked, see `models/transformer.py`. Deviation: a norm after the last
  layer counts as what stands before them.

  Args:
    decay: In (0, 1].
  """

  def update(updates: Any, params: Any) -> Any:
    del params
    depth = _num_layers(updates)

    def scaled(path, leaf):
      names = tuple(part.key for part in path)
      if names[0] != _ENCODER:
        return leaf
      if names[: len(_STACK)] != _STACK:
        return decay ** (depth + 1) * leaf
      scales = decay ** (depth - jnp.arange(depth, dtype=leaf.dtype))
      return scales.reshape(-1, *[1] * (leaf.ndim - 1)) * leaf

    return jax.tree.map_with_path(scaled, updates)

  return optax.stateless(update)


def _num_layers(tree: Any) -> int:
  """L; 0 for a head alone."""
  for name in _STACK:
    tree = tree.get(name, {})
  return len(jax.tree.leaves(tree)[0]) if tree else 0
