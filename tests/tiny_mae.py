"""A masked autoencoder of one layer and 16 numbers, as converted weights."""

import jax

from taskrobust_jax.storage import weights
from taskrobust_jax.train import loaded

PATCH, ROWS = 8, 2
SIZE = PATCH * ROWS
_LAYERS = {
  "num_layers": 1,
  "width": 16,
  "num_heads": 2,
  "mlp_width": 32,
  "dropout_rate": 0.0,
  "dtype": "float32",
  "unroll": True,
  "remat": False,
}
OPTIONS = {
  "grid": [ROWS, ROWS],
  "inputs": {"depth": PATCH**2, "rgb": 3 * PATCH**2},
  "outputs": {"depth": PATCH**2},
  "encoder": _LAYERS,
  "decoder": _LAYERS,
  "has_cross_attention": True,
  "shares_decoder": False,
}
MODEL = {"kind": "mae", "options": OPTIONS}


def write(folder):
  """Weights that were never trained."""
  params = jax.jit(loaded.model_of(MODEL).init)(jax.random.key(0))
  weights.write_weights(folder, params, MODEL)
