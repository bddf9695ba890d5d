"""Tables of notebooks/results/README.md, made from the JSON beside it.

  python -m taskrobust_jax.benchmarks.tables

prints them; a part that was not measured has none.
"""

from collections.abc import Sequence
import json
import pathlib
from typing import Any

LABELS = {
  "bert_base_128": "BERT-base 128, native: logits of masked positions",
  "bert_base_128_all_positions": "BERT-base 128, equal work: all positions",
  "bert_base_512": "BERT-base 512, native",
  "bert_base_512_all_positions": "BERT-base 512, equal work",
  "vit_b_mae": "ViT-B MAE",
  "vit_b_multimae": "ViT-B MultiMAE, six tasks",
}
RESULTS = pathlib.Path(__file__).parents[2] / "notebooks" / "results"


def readme_tables(folder: pathlib.Path = RESULTS) -> dict[str, str]:
  """Markdown tables by name: "models", "overhead", "components", for the CPU.

  Args:
    folder: Of the results.

  Returns:
    Those whose results are there.
  """
  makers = {
    "models": _models,
    "overhead": _overhead,
    "components": _components,
  }
  found = {name: read(folder, f"training_{name}_cpu") for name in makers}
  torch = read(folder, "training_torch_cpu")
  return {
    name: maker(found[name], torch)
    for name, maker in makers.items()
    if found[name]
  }


def read(folder: pathlib.Path, name: str) -> dict[str, Any] | None:
  """The JSON of a result, `None` if it is not there."""
  file = folder / f"{name}.json"
  return json.loads(file.read_text("utf-8")) if file.is_file() else None


def _models(result: dict[str, Any], torch: dict[str, Any] | None) -> str:
  others = {row["model"]: row for row in torch["rows"]} if torch else {}
  lines = []
  for row in result["rows"]:
    rate = row["tokens_per_second"]
    other = others.get(row["model"])
    lines.append(
      (
        LABELS[row["model"]],
        row["rows"],
        f"{row['seconds']:.2f}",
        f"{rate:,.0f}",
        f"{row['of_matmul_ceiling']:.0%}",
        f"{other['median']:.2f} ({other['low']:.2f}, {other['high']:.2f})"
        if other
        else "-",
      )
    )
  return _markdown(
    (
      "model",
      "rows",
      "s a step",
      "tokens/s",
      "of the rate of a large product",
      "to PyTorch",
    ),
    lines,
  )


def _overhead(result: dict[str, Any], torch: Any) -> str:
  del torch
  return _markdown(
    ("K", "time, median ratio (95 % interval)", "memory"),
    [
      (
        row["num_tasks"],
        f"{row['median']:.3f} ({row['low']:.3f}, {row['high']:.3f})",
        f"{row['memory']:.4f}",
      )
      for row in result["rows"]
    ],
  )


def _components(result: dict[str, Any], torch: Any) -> str:
  del torch
  return _markdown(
    ("piece", "ms", "limit, ms", "limited by"),
    [
      (
        row["piece"],
        f"{1e3 * row['seconds']:.2f}",
        f"{1e3 * row['limit_seconds']:.2f}",
        row["limited_by"],
      )
      for row in result["rows"]
    ],
  )


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
  lines = [heads, ["---"] * len(heads), *rows]
  return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
  """Prints all tables."""
  for name, table in readme_tables().items():
    print(f"{name}\n\n{table}\n")


if __name__ == "__main__":
  main()
