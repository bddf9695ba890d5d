"""Tables from results, and the results that are there."""

import json

import pytest

from taskrobust_jax.benchmarks import tables


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
  assert tables.readme_tables(tmp_path)["models"] == (
    "| model | rows | s a step | tokens/s | of matmul ceiling | to PyTorch |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
    "| bert base 128 | 8 | 2.00 | 512 | 50% | 2.00 (1.50, 2.25) |\n"
    "| vit b multimae | 8 | 2.00 | 1,234 | 50% | - |"
  )


@pytest.mark.parametrize("name", ["models", "overhead", "components"])
def test_results_have_what_tables_ask_for(name):
  if tables.read(tables.RESULTS, f"training_{name}_cpu") is None:
    pytest.skip(f"training --part={name} was not run yet")
  table = tables.readme_tables()[name]
  assert len(table.splitlines()) >= 5
