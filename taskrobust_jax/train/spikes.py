"""Updates that are left out because their gradient is far out of line."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

# The running mean of norms forgets at this rate,
DECAY = 0.99
# and is trusted after so many updates.
WARMUP = 100


class SpikeState(NamedTuple):
  """The state of `skip_spikes`.

  Attributes:
    mean_norm: Scalar f32, running mean of the gradient's global norm.
    count: Scalar int32, norms in it.
    skipped: Scalar int32, updates left out so far.
    inner: State of the transform that was wrapped.
  """

  mean_norm: jax.Array
  count: jax.Array
  skipped: jax.Array
  inner: Any


def skip_spikes(
  inner: optax.GradientTransformationExtraArgs, factor: float
) -> optax.GradientTransformationExtraArgs:
  """Leaves out an update whose gradient's norm is far above the running mean.

    skip if |g| > factor * mean;  mean <- 0.99 mean + 0.01 min(|g|, factor mean)

  Params and the inner state stay as they are. The mean takes the capped norm of
  a skipped gradient, so that norms which stay high are soon no spike. Nothing
  is skipped in the first 100 updates.

  Args:
    inner: The transform that descends.
    factor: > 1.

  Returns:
    The transform, with `SpikeState`.
  """

  def init(params):
    zero = jnp.zeros([], jnp.int32)
    return SpikeState(jnp.zeros([]), zero, zero, inner.init(params))

  def update(updates, state, params=None, **extra):
    norm = optax.tree.norm(updates).astype(jnp.float32)
    limit = factor * state.mean_norm
    is_spike = (state.count >= WARMUP) & (norm > limit)
    # A norm that overflows while nothing is skipped would stay in the mean.
    capped = jnp.where(state.count >= WARMUP, jnp.minimum(norm, limit), norm)
    capped = jnp.where(jnp.isfinite(capped), capped, state.mean_norm)
    # While there are few it is their plain mean.
    rate = jnp.maximum(1 - DECAY, 1.0 / (state.count + 1))
    mean = state.mean_norm + rate * (capped - state.mean_norm)
    updates, new_inner = jax.lax.cond(
      is_spike,
      lambda _: (optax.tree.zeros_like(updates), state.inner),
      lambda _: inner.update(updates, state.inner, params, **extra),
      None,
    )
    return updates, SpikeState(
      mean, state.count + 1, state.skipped + is_spike, new_inner
    )

  return optax.GradientTransformationExtraArgs(init, update)
