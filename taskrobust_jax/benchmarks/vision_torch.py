"""facebookresearch's MAE in PyTorch, to be measured and compared with.

Its code is not part of this project: a folder that holds its models_mae.py (and
util/pos_embed.py) is given. torch and timm must be importable.
"""

from collections.abc import Callable
import functools
import sys
from unittest import mock

import numpy as np

ENCODER = {"embed_dim": 192, "depth": 12, "num_heads": 3}
DECODER = {
  "decoder_embed_dim": 192,
  "decoder_depth": 4,
  "decoder_num_heads": 3,
}


def make_model(folder: str, pixels: int, **sizes: int):
  """Its MaskedAutoencoderViT with normalised pixels, on the CPU."""
  from timm.models import vision_transformer
  import torch

  # Its code is of 2021: timm's blocks had another argument, NumPy a name more.
  block = vision_transformer.Block
  with (
    mock.patch.object(sys, "path", [folder, *sys.path]),
    mock.patch.object(np, "float", float, create=True),
    mock.patch.object(
      vision_transformer,
      "Block",
      lambda *args, qk_scale=None, **named: block(*args, **named),
    ),
  ):
    import models_mae

    return models_mae.MaskedAutoencoderViT(
      img_size=pixels,
      norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6),
      norm_pix_loss=True,
      **sizes,
    )


def step_of(folder: str, pixels: int, num_rows: int) -> Callable[[], None]:
  """A function that runs one training step on random pictures."""
  import torch

  torch.set_num_threads(1)
  torch.manual_seed(0)
  model = make_model(folder, pixels, **ENCODER, **DECODER)
  optimizer = torch.optim.AdamW(
    [p for p in model.parameters() if p.requires_grad],
    1e-4,
    betas=(0.9, 0.95),
    weight_decay=0.05,
  )
  images = torch.rand(num_rows, 3, pixels, pixels)

  def step():
    optimizer.zero_grad()
    loss, _, _ = model(images, mask_ratio=0.75)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()

  return step
