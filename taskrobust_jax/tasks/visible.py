"""Which patches the encoder sees."""

import jax
import jax.numpy as jnp


def draw_order(
  key: jax.Array,
  is_given: jax.Array,
  num_patches: int,
  concentration: float = 1.0,
) -> jax.Array:
  """Draws an order of all patches of one example; its first V are visible.

  Shares of the modalities are drawn from a Dirichlet, and patches are dealt out
  by Sainte-Lague's method: patch j of modality m, in random order, comes at
  (j + 1/2) / share_m. So the first V patches have about the drawn shares, for
  every V, and a modality that has run out leaves its places to the others.
  Those of a modality that is not given come last.

  MultiMAE rounds the shares and then drops or adds patches at random.

  Args:
    key: A key.
    is_given: [M] bool, whether the example has each modality. An empty row of
      none is treated as having all; its targets count for nothing.
    num_patches: N, of every modality.
    concentration: > 0, of the Dirichlet: 1 makes all shares equally likely,
      much more makes them equal.

  Returns:
    [M N] int32: modality * N + patch.
  """
  share_key, patch_key = jax.random.split(key)
  num_modalities = is_given.shape[0]
  is_given = is_given | ~is_given.any()
  drawn = jnp.zeros(num_modalities)
  if num_modalities > 1:  # A gamma variate takes long to compile.
    drawn = jax.random.loggamma(share_key, drawn + concentration)
  log_share = jax.nn.log_softmax(jnp.where(is_given, drawn, -jnp.inf))
  draws = jax.random.uniform(patch_key, (num_modalities, num_patches))
  rank = jnp.argsort(jnp.argsort(draws, axis=1), axis=1)
  # In logs: a share may be too small for its inverse.
  when = jnp.log(rank + 0.5) - log_share[:, None]
  return jnp.argsort(when.ravel(), stable=True).astype(jnp.int32)
