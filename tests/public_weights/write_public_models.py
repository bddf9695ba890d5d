"""Run in an environment with torch and transformers: the public models.

  python write_public_models.py OUT

Writes OUT/bert and OUT/mae as save_pretrained does, and OUT/*.safetensors with
inputs and outputs. Weights are random and large, so that every part matters.
"""

import pathlib
import sys

from safetensors.torch import save_file
import torch
import transformers
from transformers.models.vit_mae.modeling_vit_mae import (
  build_2d_sinusoidal_position_embedding,
)

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "##s"]


def randomise(model):
  generator = torch.Generator().manual_seed(0)
  with torch.no_grad():
    for name, array in model.named_parameters():
      if "pos" not in name or "position_embeddings.weight" in name:
        array += 0.3 * torch.randn(array.shape, generator=generator)
  return model.eval()


def bert(out):
  config = transformers.BertConfig(
    vocab_size=len(VOCABULARY),
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=24,
    max_position_embeddings=12,
    layer_norm_eps=1e-3,  # Neither their default nor ours.
  )
  model = randomise(transformers.BertForPreTraining(config))
  model.save_pretrained(out / "bert")
  (out / "bert/vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
  generator = torch.Generator().manual_seed(1)
  tokens = torch.randint(0, len(VOCABULARY), (3, 12), generator=generator)
  types = torch.randint(0, 2, (3, 12), generator=generator)
  mask = (torch.arange(12) < torch.tensor([[12], [7], [3]])).long()
  given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": types}
  with torch.no_grad():
    hidden = model.bert(**given).last_hidden_state
    # Of one sentence: of all types 0.
    logits = model(tokens, attention_mask=mask).prediction_logits
  save_file(
    given | {"hidden": hidden, "logits": logits}, out / "bert.safetensors"
  )


def mae(out):
  config = transformers.ViTMAEConfig(
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=1,
    intermediate_size=48,
    image_size=12,
    patch_size=4,
    decoder_hidden_size=32,
    decoder_num_hidden_layers=2,
    decoder_num_attention_heads=1,
    decoder_intermediate_size=24,
    layer_norm_eps=1e-6,
    mask_ratio=0.5,
  )
  model = randomise(transformers.ViTMAEForPreTraining(config))
  # transformers 5 leaves them 0 in a new model; published files hold them, with
  # the halves exchanged as its own comment says.
  for positions in (
    model.vit.embeddings.position_embeddings,
    model.decoder.decoder_pos_embed,
  ):
    width = positions.shape[-1]
    fixed = build_2d_sinusoidal_position_embedding(3, 3, width, cls_token=True)
    with torch.no_grad():
      positions[0] = fixed.roll(width // 2, 1)
  model.save_pretrained(out / "mae")
  generator = torch.Generator().manual_seed(1)
  pictures = torch.rand((2, 3, 12, 12), generator=generator)
  noise = torch.rand((2, 9), generator=generator)
  mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
  deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
  with torch.no_grad():
    given = (pictures - mean) / deviation
    encoded = model.vit(given, noise=noise).last_hidden_state
    logits = model(given, noise=noise).logits
  save_file(
    {
      "pictures": pictures,
      "order": noise.argsort(1),
      "encoded": encoded,
      "logits": logits.contiguous(),
    },
    out / "mae.safetensors",
  )


if __name__ == "__main__":
  folder = pathlib.Path(sys.argv[1])
  transformers.logging.set_verbosity_error()
  bert(folder)
  mae(folder)
