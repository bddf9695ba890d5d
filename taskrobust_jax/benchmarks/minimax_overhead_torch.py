"""What others' task weighting costs beside their own plain step, in PyTorch.

  python taskrobust_jax/benchmarks/minimax_overhead_torch.py \
    [--group_dro=DIR] [--out=FILE.json]

Run it in an environment with torch, and torchjd for its rows; DIR is a checkout
of the public group_DRO code for its row. A transformer encoder of the size of
`minimax_overhead`, K losses over equal shares of the rows, Adam; each method's
step against the mean of the losses in the same process, in turn, on one thread,
by CPU time. Nothing of this package is imported: it needs JAX, they do not.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import time
import types

import torch
from torch import nn

NUM_TASKS = (2, 4, 8, 16)
NUM_ROWS, LENGTH, VOCABULARY_SIZE, WIDTH = 64, 32, 2048, 128
PREDICTED = round(0.15 * LENGTH)


class Model(nn.Module):
  """BERT's shape: embeddings, two layers, an output layer of tied weights."""

  def __init__(self):
    super().__init__()
    self.words = nn.Embedding(VOCABULARY_SIZE, WIDTH)
    self.places = nn.Parameter(0.02 * torch.randn(LENGTH, WIDTH))
    layer = nn.TransformerEncoderLayer(
      WIDTH, 2, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True
    )
    self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

  def forward(self, tokens):
    """[B, L] tokens to [B, M, V] logits of the first M places."""
    hidden = self.encoder(self.words(tokens) + self.places)
    return hidden[:, :PREDICTED] @ self.words.weight.T


def per_example_losses(model, tokens):
  """[B]."""
  logits = model(tokens).flatten(0, 1)
  targets = tokens[:, :PREDICTED].flatten()
  losses = nn.functional.cross_entropy(logits, targets, reduction="none")
  return losses.view(len(tokens), -1).mean(1)


def task_losses(model, tokens, num_tasks):
  """[K]; row i serves task i mod K."""
  return per_example_losses(model, tokens).view(-1, num_tasks).mean(0)


def mean_of_losses(model, tokens, num_tasks):
  """The plain step's backward pass."""
  task_losses(model, tokens, num_tasks).mean().backward()


def torchjd_methods():
  """{name: backward pass} of torchjd's aggregators."""
  try:
    from torchjd import aggregation, autojac
  except ImportError as error:
    print(f"torchjd's rows left out: {error}")
    return {}

  def backward(name):
    aggregator = getattr(aggregation, name)()

    def run(model, tokens, num_tasks):
      params = list(model.parameters())
      autojac.backward(task_losses(model, tokens, num_tasks), inputs=params)
      autojac.jac_to_grad(params, aggregator)

    return run

  return {f"torchjd {name}": backward(name) for name in ("UPGrad", "MGDA")}


def group_dro_method(folder):
  """{name: backward pass} of the public Group DRO's LossComputer."""
  if not folder:
    print("Group DRO's row left out: no --group_dro")
    return {}
  sys.path.insert(0, folder)
  # Its code moves every array to a GPU.
  torch.Tensor.cuda = lambda self, *_, **__: self
  from loss import LossComputer

  computers = {}

  def run(model, tokens, num_tasks):
    if num_tasks not in computers:
      groups = types.SimpleNamespace(
        n_groups=num_tasks,
        group_counts=lambda: torch.full((num_tasks,), 100.0),
        group_str=str,
      )
      computers[num_tasks] = LossComputer(
        # It asks for the loss of each example from (outputs, targets).
        lambda outputs, _: outputs[:, 0],
        is_robust=True,
        dataset=groups,
        alpha=0.2,
        step_size=0.01,
      )
    losses = per_example_losses(model, tokens)
    group = torch.arange(len(losses)) % num_tasks
    computers[num_tasks].loss(
      losses[:, None], torch.zeros_like(group), group, True
    ).backward()

  return {"Group DRO": run}


def seconds_of(function):
  """CPU seconds of one call."""
  began = time.process_time()
  function()
  return time.process_time() - began


def compare(backward, num_tasks, rounds):
  """Median ratio of a method's step to the plain step."""
  torch.manual_seed(0)
  tokens = torch.randint(5, VOCABULARY_SIZE, (NUM_ROWS, LENGTH))

  def step_with(backward_pass):
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    def step():
      optimizer.zero_grad()
      backward_pass(model, tokens, num_tasks)
      nn.utils.clip_grad_norm_(model.parameters(), 1.0)
      optimizer.step()

    return step

  step, plain = step_with(backward), step_with(mean_of_losses)
  for _ in range(3):
    step(), plain()
  ratios = []
  for index in range(rounds):
    pair = (plain, step) if index % 2 else (step, plain)
    times = dict(zip(pair, map(seconds_of, pair), strict=True))
    ratios.append(times[step] / times[plain])
  return sorted(ratios)[rounds // 2]


def main():
  """Prints a row for each method and writes them all."""
  parser = argparse.ArgumentParser()
  parser.add_argument("--group_dro", default="")
  parser.add_argument("--rounds", type=int, default=15)
  parser.add_argument(
    "--out", default="notebooks/results/minimax_overhead_torch.json"
  )
  flags = parser.parse_args()
  torch.set_num_threads(1)
  methods = torchjd_methods() | group_dro_method(flags.group_dro)
  print(
    f"{'step / plain step':<18}" + "".join(f"{f'K={k}':>8}" for k in NUM_TASKS)
  )
  rows = []
  for name, backward in methods.items():
    cells = ""
    for num_tasks in NUM_TASKS:
      # The other kernel has no batching rule, which would cost torchjd dearly.
      with nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
        ratio = compare(backward, num_tasks, flags.rounds)
      rows.append({"method": name, "num_tasks": num_tasks, "median": ratio})
      cells += f"{ratio:>8.2f}"
    print(f"{name:<18}{cells}", flush=True)
  result = {
    "date": time.strftime("%Y-%m-%d"),
    "load": [round(value, 2) for value in os.getloadavg()],
    "versions": {
      "torch": torch.__version__,
      **{
        package: importlib.metadata.version(package)
        for package in ("torchjd",)
        if any(package in row["method"] for row in rows)
      },
    },
    "settings": {
      "rows_a_step": NUM_ROWS,
      "row_length": LENGTH,
      "vocabulary_size": VOCABULARY_SIZE,
      "num_layers": 2,
      "width": WIDTH,
      "threads": 1,
    },
    "rows": rows,
  }
  with open(flags.out, "w", encoding="utf-8") as file:
    file.write(json.dumps(result, indent=2) + "\n")
  print(f"wrote {flags.out}")


if __name__ == "__main__":
  main()
