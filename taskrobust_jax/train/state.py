"""All that a run carries from one step to the next."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from taskrobust_jax import minimax
from taskrobust_jax.train.averages import Averages


class TrainState(NamedTuple):
  """The training state, a plain pytree; the whole of it is checkpointed.

  Attributes:
    step: Scalar int32. Batches consumed, the only counter: it advances on a
      skipped update too, and schedules are functions of it.
    seed: Scalar uint32, of the run. All that a step draws is a function of it
      and of `step`; here it is no constant of the compiled program, so that
      runs which differ in their seed share one.
    params: Tree of f32 arrays.
    opt_state: The optimizer's, with the adversary inside.
    averages: Means over the steps so far, or () for none.
  """

  step: jax.Array
  seed: jax.Array
  params: Any
  opt_state: Any
  averages: Averages | tuple[()] = ()


def initial_state(
  init_params: Callable[[jax.Array], Any],
  tx: optax.GradientTransformation,
  seed: int | jax.Array,
  has_averages: bool = False,
) -> TrainState:
  """The state before the first batch; call it under `jit`."""
  params = init_params(stream("init", seed))
  opt_state = tx.init(params)
  averages = ()
  if has_averages:
    averages = Averages(params, minimax.task_weights(opt_state))
  step = jnp.zeros([], jnp.int32)
  return TrainState(step, jnp.uint32(seed), params, opt_state, averages)


_STREAMS = {
  "init": 0,
  "train": 1,
  "evaluate": 2,
  "adversary": 3,
  "similarity": 4,
}


def stream(name: str, seed: int | jax.Array) -> jax.Array:
  """The key of one of a run's independent random streams."""
  return jax.random.fold_in(jax.random.key(seed), _STREAMS[name])
