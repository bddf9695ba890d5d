"""MAE beside facebookresearch's own class, where it can be had.

It is compared where torch and timm are installed and the environment variable
MAE_CODE names a folder with the public models_mae.py:

  MAE_CODE=FOLDER PYTHONPATH=.:PLACE_OF_TORCH python -m pytest THIS_FILE
"""

import os

import jax
import numpy as np
import pytest

from taskrobust_jax.benchmarks import vision, vision_torch

FOLDER = os.environ.get("MAE_CODE")
PIXELS, NUM_VISIBLE = 48, 3
pytestmark = pytest.mark.skipif(
  not FOLDER, reason="MAE_CODE names no folder with models_mae.py"
)


def linear(layer):
  """The kernel and bias of a torch layer, transposed."""
  return {"kernel": array(layer.weight).T, "bias": array(layer.bias)}


def norm(layer):
  return {"scale": array(layer.weight), "bias": array(layer.bias)}


def array(tensor):
  return tensor.detach().numpy()


def stacked(blocks):
  """A timm stack as our stacked parameters."""
  layers = []
  for block in blocks:
    weights = np.split(array(block.attn.qkv.weight), 3)
    biases = np.split(array(block.attn.qkv.bias), 3)
    attention = {
      name: {"kernel": weight.T, "bias": bias}
      for name, weight, bias in zip(("query", "key", "value"), weights, biases)
    }
    layers.append(
      {
        "attention": {**attention, "out": linear(block.attn.proj)},
        "attention_norm": norm(block.norm1),
        "mlp_in": linear(block.mlp.fc1),
        "mlp_out": linear(block.mlp.fc2),
        "mlp_norm": norm(block.norm2),
      }
    )
  return {"layers": jax.tree.map(lambda *x: np.stack(x), *layers)}


def params_of(theirs, ours):
  """Our params with the values of theirs."""
  kernel = array(theirs.patch_embed.proj.weight)
  width = len(kernel)
  embed = {
    "kernel": kernel.transpose(2, 3, 1, 0).reshape(-1, width),
    "bias": array(theirs.patch_embed.proj.bias),
  }
  decoder = {
    "context": linear(theirs.decoder_embed),
    "mask_token": array(theirs.mask_token)[0, 0],
    "query": np.zeros(ours["decoders"]["query"].shape[1:], np.float32),
    "transformer": stacked(theirs.decoder_blocks),
    "norm": norm(theirs.decoder_norm),
  }
  params = {
    "embed": {"rgb": embed},
    "modality": np.zeros((1, width), np.float32),
    "global_token": array(theirs.cls_token)[0, 0],
    "transformer": stacked(theirs.blocks),
    "norm": norm(theirs.norm),
    "decoders": jax.tree.map(lambda x: x[None], decoder),
    "heads": {"rgb": linear(theirs.decoder_pred)},
  }
  shapes = lambda tree: jax.tree.map(np.shape, tree)
  assert shapes(params) == shapes(ours)
  return params


def test_predictions_and_losses_are_those_of_the_public_class():
  torch = pytest.importorskip("torch")
  torch.manual_seed(0)
  theirs = vision_torch.make_model(
    FOLDER,
    PIXELS,
    **{**vision_torch.ENCODER, "depth": 2},
    **{**vision_torch.DECODER, "decoder_depth": 1},
  )
  # Far from the start, where tokens and biases are nearly 0.
  with torch.no_grad():
    for param in theirs.parameters():
      if param.requires_grad:
        param += 0.05 * torch.randn(param.shape)
  _, init, suite, batch = vision.mae_problem(
    PIXELS,
    num_rows=2,
    num_visible=NUM_VISIBLE,
    encoder_layers=2,
    decoder_layers=1,
  )
  params = params_of(theirs, jax.eval_shape(init, jax.random.key(0)))
  key = jax.random.key(1)
  (loss,), _ = jax.jit(suite.per_task_losses)(params, batch, key)
  order = np.asarray(suite.draw_order(batch, key))
  # Their model sees what it is told to: our patches, in our order.
  noise = np.argsort(order, axis=1) / suite.num_patches
  images = batch["rgb"].transpose(0, 3, 1, 2) / np.float32(255)
  shown = torch.tensor(2 * images - 1)
  with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
    patch.setattr(torch, "rand", lambda *_, **__: torch.tensor(noise))
    latent, mask, restore = theirs.forward_encoder(
      shown, 1 - NUM_VISIBLE / suite.num_patches + 1e-9
    )
    predicted = theirs.forward_decoder(latent, restore)
    their_loss = theirs.forward_loss(torch.tensor(images), predicted, mask)
  np.testing.assert_array_equal(mask, suite.is_hidden(order)["rgb"])
  found = suite.apply(params, suite.show(batch), order, NUM_VISIBLE)["rgb"]
  np.testing.assert_allclose(found, predicted, rtol=1e-5, atol=2e-5)
  np.testing.assert_allclose(loss, their_loss, rtol=1e-5)
