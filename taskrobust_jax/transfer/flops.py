"""Floating-point operations of an encoder."""

from taskrobust_jax.models.transformer import TransformerOptions


def of_transformer(options: TransformerOptions, length: int) -> float:
  """Of one forward pass of the layers over one row of `length` places."""
  products = 4 * options.width**2 + 2 * options.width * options.mlp_width
  attention = 2 * length * options.width
  return float(2 * length * options.num_layers * (products + attention))
