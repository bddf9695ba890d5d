"""The arithmetic of transformer layers: what reports and fine-tuning count by.

`planning/flops.py` counts what a traced program does, this what a config says.
"""

from typing import Protocol


class Layers(Protocol):
  """Sizes of the layers, such as `models.transformer.TransformerOptions`."""

  num_layers: int
  width: int
  mlp_width: int


def of_layers(layers: Layers, length: int) -> float:
  """One forward pass over one row of `length` places.

  A product [m, k] x [k, n] takes 2mkn; norms and the softmax are left out.
  """
  width = layers.width
  dense = 8 * width**2 + 4 * width * layers.mlp_width  # Of a place.
  return float(layers.num_layers * (length * dense + 4 * length**2 * width))
