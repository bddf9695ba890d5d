r"""PyTorch's step beside ours, in turn: the same models by transformers.

  python -m taskrobust_jax.benchmarks.training_torch [--names=bert_base_128]

Run it where torch and transformers can be imported too. It writes
notebooks/results/training_torch_<device>.json: the ratio of PyTorch's seconds
to ours, which is ours to theirs of tokens a second.

BERT-base with SDPA computes all positions' logits: beside ours that computes
all too ("all_positions") without dropout of attention's probabilities, which
ours has not either; beside ours as it is trained as the class comes. ViT-B MAE
is the public ViTMAEForPreTraining. AdamW, clipping to 1; with `torch.compile`
and bfloat16 autocast on GPUs, fused AdamW everywhere. On a GPU set
XLA_PYTHON_CLIENT_PREALLOCATE=false, so that both find memory.
"""

from collections.abc import Callable, Sequence
import importlib.metadata
import os

from absl import flags
import torch
import transformers

from taskrobust_jax import program
from taskrobust_jax.benchmarks import measure, models, training

# A name of `training.MODELS`: dropout of attention's probabilities.
MODELS = {
  "bert_base_128": 0.1,
  "bert_base_128_all_positions": 0.0,
  "bert_base_512": 0.1,
  "bert_base_512_all_positions": 0.0,
  "vit_b_mae": 0.0,
}


def main(out: str | None, rounds: int, names: Sequence[str]) -> None:
  """Prints a row for each model and writes it when it is known."""
  out = out or measure.result_path("training_torch")
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  print(f"{'model':<30}{'PyTorch, s':>11}{'ours, s':>9}{'ratio':>8}")
  for name in measure.chosen(names, MODELS):
    ours = training.work_of(name)
    _, run = models.compiled_step(*models.minimax_step(ours.suite), ours)
    ratio = measure.paired_ratio(
      step_of(name, ours.num_rows), run, rounds, training.clock(), warmup=2
    )
    print(
      f"{name:<30}{ratio.seconds:>11.2f}{ratio.base_seconds:>9.2f}"
      f"{ratio.median:>8.3f} ({ratio.low:.3f}, {ratio.high:.3f})",
      flush=True,
    )
    row = {"model": name, "rows": ours.num_rows, **ratio._asdict()}
    measure.write(
      out,
      measure.replace_row(out, row, "model", list(MODELS)),
      num_cores=len(os.sched_getaffinity(0)),
      versions_of_theirs={
        package: importlib.metadata.version(package)
        for package in ("torch", "transformers")
      },
    )


def step_of(name: str, num_rows: int) -> Callable[[], None]:
  """A whole step in PyTorch, on random rows."""
  torch.manual_seed(0)
  device = "cuda" if torch.cuda.is_available() else "cpu"
  is_gpu = device == "cuda"
  if name == "vit_b_mae":
    model = transformers.ViTMAEForPreTraining(
      transformers.ViTMAEConfig(attn_implementation="sdpa")
    )
    inputs = {"pixel_values": torch.rand(num_rows, 3, 224, 224)}
  else:
    model, inputs = bert(training.MODELS[name][1], MODELS[name], num_rows)
  inputs = {key: value.to(device) for key, value in inputs.items()}
  model = model.to(device).train()
  optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
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

  return step


def bert(length: int, attention_dropout: float, num_rows: int):
  """(BERT-base, its inputs)."""
  config = transformers.BertConfig(
    attention_probs_dropout_prob=attention_dropout,
    attn_implementation="sdpa",
  )
  tokens = torch.randint(5, config.vocab_size, (num_rows, length))
  labels = torch.where(torch.rand(tokens.shape) < 0.15, tokens, -100)
  inputs = {"input_ids": tokens, "labels": labels}
  return transformers.BertForMaskedLM(config), inputs


if __name__ == "__main__":
  _OUT = flags.DEFINE_string("out", None, "Where the JSON goes.")
  _ROUNDS = flags.DEFINE_integer("rounds", 7, "Pairs timed.", lower_bound=6)
  _NAMES = flags.DEFINE_list("names", [], "Models to measure; all if none.")
  program.run(lambda: main(_OUT.value, _ROUNDS.value, _NAMES.value))
