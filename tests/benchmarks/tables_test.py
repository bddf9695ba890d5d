"""Tables from results, and the results that are there."""

import json

import pytest

from taskrobust_jax.benchmarks import tables
from tests import programs


def write(folder, name, rows):
  (folder / f"{name}.json").write_text(json.dumps({"rows": rows}))


def test_rows_stand_beside_those_of_pytorch(tmp_path):
  assert tables.readme_tables(tmp_path) == {}
  ours = {"rows": 8, "seconds": 2.0, "of_matmul_ceiling": 0.5}
  write(
    tmp_path,
    "training_models_cpu",
    [
      {"model": "bert_base_128", "tokens_per_second": 512.0, **ours},
      {"model": "vit_b_multimae", "tokens_per_second": 1234.0, **ours},
    ],
  )
  write(
    tmp_path,
    "training_torch_cpu",
    [{"model": "bert_base_128", "median": 2.0, "low": 1.5, "high": 2.25}],
  )
  native = "| BERT-base 128, native: logits of masked positions | 8 | 2.00 |"
  lines = tables.readme_tables(tmp_path)["models"].splitlines()
  assert lines[0].endswith("| of the rate of a large product | to PyTorch |")
  assert lines[2:] == [
    f"{native} 512 | 50% | 2.00 (1.50, 2.25) |",
    "| ViT-B MultiMAE, six tasks | 8 | 2.00 | 1,234 | 50% | - |",
  ]


@pytest.mark.parametrize("name", ["models", "overhead", "components"])
def test_the_results_are_told_by_their_own_tables(name):
  table = tables.readme_tables()[name]
  assert len(table.splitlines()) >= 5
  assert table in (programs.ROOT / "notebooks/results/README.md").read_text()
