"""All that a run carries from one step to the next."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class TrainState(NamedTuple):
  """The training state, a plain pytree; the whole of it is checkpointed.

  Attributes:
    step: Scalar int32. Batches consumed, the only counter: it advances on a
      skipped update too, and schedules are functions of it.
    params: Tree of f32 arrays.
    opt_state: The optimizer's, with the adversary inside.
  """

  step: jax.Array
  params: Any
  opt_state: Any


def initial_state(
  init_params: Callable[[jax.Array], Any],
  tx: optax.GradientTransformation,
  seed: int,
) -> TrainState:
  """The state before the first batch; call it under `jit`."""
  params = init_params(stream("init", seed))
  return TrainState(jnp.zeros([], jnp.int32), params, tx.init(params))


_STREAMS = {"init": 0, "train": 1, "evaluate": 2, "adversary": 3}


def stream(name: str, seed: int) -> jax.Array:
  """The key of one of a run's independent random streams."""
  return jax.random.fold_in(jax.random.key(seed), _STREAMS[name])
