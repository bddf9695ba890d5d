"""Modules as pure functions: jitted code sees plain trees of arrays."""

from collections.abc import Callable
from typing import Any

from flax import nnx
import jax


def functional(
  make_model: Callable[[nnx.Rngs], nnx.Module],
) -> tuple[Callable[[jax.Array], Any], Callable[..., Any]]:
  """A module as a pair of pure functions over plain dicts of arrays.

  Args:
    make_model: Builds the module from random streams.

  Returns:
    (init, apply): `init(key) -> params`, a nested dict of f32 arrays, to be
    called under `jit`; `apply(params, *inputs, method=None, **inputs)`.
  """
  graph, _ = nnx.split(nnx.eval_shape(lambda: make_model(nnx.Rngs(0))))

  def init(key):
    return nnx.to_pure_dict(nnx.state(make_model(nnx.Rngs(key)), nnx.Param))

  def apply(params, *inputs, method=None, **named):
    model = nnx.merge(graph, params)
    return (getattr(model, method) if method else model)(*inputs, **named)

  return init, apply
