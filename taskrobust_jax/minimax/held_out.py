"""A signal from other data than the batch that trains."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from taskrobust_jax.minimax.arguments import check_count
from taskrobust_jax.minimax.weighting import Signal


class HeldOutState(NamedTuple):
  """State of `held_out`.

  Attributes:
    losses: [K] f32, those seen last.
  """

  losses: jax.Array


def held_out(held_out_every: int) -> Signal:
  """The losses of the tasks on held-out data, looked at now and then.

    signal_t = L_held_out(params_s),   s the last multiple of held_out_every

  A batch's own losses are noisy, and low on what has been learnt by heart. It
  stands first in a chain: what it is shown, it ignores.

  Args:
    held_out_every: Steps between two looks, >= 1. Between them the same losses
      are shown again.

  Returns:
    A `Signal` that needs `step` and `held_out_losses`: a function without
    arguments that computes [K] losses, or those losses. A function is called
    only at steps that look, if it runs under `jit`.

  Raises:
    ValueError: If `held_out_every` is not a whole number >= 1.
  """
  check_count("held_out_every", held_out_every, 1)

  def init(num_tasks):
    return HeldOutState(jnp.full(num_tasks, jnp.nan, jnp.float32))

  def update(losses, state, is_present, step, held_out_losses: Any, **extra):
    del losses, is_present

    def look():
      seen = held_out_losses() if callable(held_out_losses) else held_out_losses
      return jax.lax.stop_gradient(jnp.asarray(seen, jnp.float32))

    seen = jax.lax.cond(
      jnp.asarray(step) % held_out_every == 0, look, lambda: state.losses
    )
    return seen, HeldOutState(seen)

  return Signal(init, update, needs=("step", "held_out_losses"))
