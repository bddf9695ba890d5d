"""Params that compile nothing: an initialiser of many layers takes seconds."""

import jax
import numpy as np


def random_params(init, seed=0):
  """Normal values of the shapes that `init` gives, far from its start."""
  random = np.random.default_rng(seed)
  values = jax.tree.map(
    lambda x: (0.3 * random.normal(size=x.shape)).astype(x.dtype),
    jax.eval_shape(init, jax.random.key(0)),
  )
  return jax.device_put(values)
