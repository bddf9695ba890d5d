r"""The same models by transformers in PyTorch, beside `training --part=models`.

  python taskrobust_jax/benchmarks/training_torch.py [--out=FILE.json]

Run it in an environment with torch and transformers, on the hardware that
`training` ran on. BERT-base with SDPA at 128 and 512, which computes all
positions' logits: "equal" is without dropout of attention's probabilities,
which ours has not either, "native" is as the class comes. ViT-B MAE is the
public ViTMAEForPreTraining. AdamW, clipping to 1; with `torch.compile` and
bfloat16 autocast on GPUs. Nothing of this package is imported.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import time

import torch
import transformers

# Name: (kind, row length, dropout of probabilities, rows on a CPU, on a GPU).
MODELS = {
  "bert_base_128_equal": ("bert", 128, 0.0, 8, 256),
  "bert_base_128_native": ("bert", 128, 0.1, 8, 256),
  "bert_base_512_equal": ("bert", 512, 0.0, 4, 64),
  "bert_base_512_native": ("bert", 512, 0.1, 4, 64),
  "vit_b_mae": ("mae", None, 0.0, 4, 512),
}


def bert(length, attention_dropout, num_rows, device):
  """(model, inputs, tokens of the batch)."""
  config = transformers.BertConfig(
    max_position_embeddings=max(512, length),
    attention_probs_dropout_prob=attention_dropout,
    attn_implementation="sdpa",
  )
  model = transformers.BertForMaskedLM(config)
  tokens = torch.randint(5, config.vocab_size, (num_rows, length))
  labels = torch.where(torch.rand(tokens.shape) < 0.15, tokens, -100)
  inputs = {"input_ids": tokens.to(device), "labels": labels.to(device)}
  return model, inputs, num_rows * length


def mae(num_rows, device):
  """(model, inputs, tokens that its encoder sees)."""
  model = transformers.ViTMAEForPreTraining(
    transformers.ViTMAEConfig(attn_implementation="sdpa")
  )
  pixels = torch.rand(num_rows, 3, 224, 224)
  return model, {"pixel_values": pixels.to(device)}, num_rows * 50


def seconds_a_step(model, inputs, device, rounds):
  """Median wall seconds of a whole step."""
  is_gpu = device == "cuda"
  model = model.to(device).train()
  optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=is_gpu)
  run = torch.compile(model) if is_gpu else model

  def step():
    optimizer.zero_grad()
    with torch.autocast(device, torch.bfloat16, enabled=is_gpu):
      loss = run(**inputs).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if is_gpu:
      torch.cuda.synchronize()

  seconds = []
  for index in range(rounds + 2):  # Two are not counted.
    began = time.perf_counter()
    step()
    if index >= 2:
      seconds.append(time.perf_counter() - began)
  return statistics.median(seconds)


def main():
  """Prints a row for each model and writes them all."""
  parser = argparse.ArgumentParser()
  parser.add_argument("--rounds", type=int, default=7)
  parser.add_argument(
    "--out", default="notebooks/results/training_torch_cpu.json"
  )
  flags = parser.parse_args()
  device = "cuda" if torch.cuda.is_available() else "cpu"
  rows = []
  for name, (kind, length, dropout, on_cpu, on_gpu) in MODELS.items():
    torch.manual_seed(0)
    num_rows = on_gpu if device == "cuda" else on_cpu
    if kind == "bert":
      model, inputs, tokens = bert(length, dropout, num_rows, device)
    else:
      model, inputs, tokens = mae(num_rows, device)
    seconds = seconds_a_step(model, inputs, device, flags.rounds)
    rows.append(
      {
        "model": name,
        "rows": num_rows,
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
      }
    )
    print(f"{name:<24}{seconds:>9.3f} s{tokens / seconds:>10.0f} tokens/s")
  result = {
    "date": time.strftime("%Y-%m-%d"),
    "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
    "threads": torch.get_num_threads(),
    "load": [round(value, 2) for value in os.getloadavg()],
    "versions": {
      name: importlib.metadata.version(name)
      for name in ("torch", "transformers")
    },
    "rows": rows,
  }
  with open(flags.out, "w", encoding="utf-8") as file:
    file.write(json.dumps(result, indent=2) + "\n")
  print(f"wrote {flags.out}")


if __name__ == "__main__":
  main()
