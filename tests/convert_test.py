"""The program: what it prints, refuses and writes."""

import numpy as np
import pytest

import taskrobust_jax
from taskrobust_jax.storage import safetensors_file
from tests import programs
from tests.public_weights.folders_test import (
  BERT,
  bert_shapes,
  random_arrays,
  write,
)


@pytest.mark.ci
def test_there_and_back_and_what_it_refuses(tmp_path):
  arrays = random_arrays(bert_shapes())
  more = {"bert.pooler.dense.bias": np.zeros(4, np.float32)}
  theirs = write(tmp_path / "theirs", arrays | more, BERT)
  ours, back = tmp_path / "ours", tmp_path / "back"
  calls = [
    [f"--from=hf_bert:{theirs}", f"--to={ours}"],
    [f"--from={ours}", f"--to=hf_bert:{back}"],
    [f"--from={ours}", f"--to=hf_bert:{back}"],
    [f"--from={ours}", f"--to={back}2"],
    [f"--from=torch:{theirs}", f"--to={back}2"],
    [f"--from={ours}", f"--to=hf_mae:{back}2"],
  ]
  done = programs.run_each("convert", ["from", "to"], calls)
  assert [code for code, _, _ in done] == [0, 0, 2, 2, 2, 2]
  assert "no place for it: bert.pooler.dense.bias\n" in done[0][1]
  assert done[0][1].startswith("bert, ")
  for (_, _, error), message in zip(
    done[2:],
    (
      "is not an empty folder",
      "one of --from and --to must have a form",
      "form 'torch' must be in",
      "takes a mae, this is a bert",
    ),
    strict=True,
  ):
    assert message in error
    assert error.count("\n") == 1
  found = safetensors_file.read(back / "model.safetensors")
  assert found.keys() == arrays.keys()
  for name, array in arrays.items():
    np.testing.assert_array_equal(found[name], array)
  loaded = taskrobust_jax.load(ours)
  assert loaded.info["init"] == "weights"
  assert loaded.tokenizer.encode("the dogs").tokens == ["the", "dog", "##s"]
