"""Weights written and read back; files that are something else."""

import json

import ml_dtypes
import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.storage import safetensors_file, weights

MODEL = {"kind": "bert", "options": {"width": 2}}


def params():
  random = np.random.default_rng(0)
  return {
    "word": {"embedding": random.normal(size=(3, 2)).astype(np.float32)},
    "layers": {"out": {"bias": np.zeros(2, np.float32)}},
  }


def test_what_is_written_is_read(tmp_path):
  weights.write_weights(tmp_path, params(), MODEL)
  found = weights.read_weights(tmp_path)
  assert weights.read_model(tmp_path) == MODEL
  assert found.keys() == params().keys()
  np.testing.assert_array_equal(
    found["word"]["embedding"], params()["word"]["embedding"]
  )
  assert found["layers"]["out"]["bias"].shape == (2,)


def test_the_file_is_as_the_format_says(tmp_path):
  weights.write_weights(tmp_path, params(), MODEL)
  content = (tmp_path / "params.safetensors").read_bytes()
  length = int.from_bytes(content[:8], "little")
  assert length % 8 == 0
  header = json.loads(content[8 : 8 + length])
  entry = header["word/embedding"]
  assert (entry["dtype"], entry["shape"]) == ("F32", [3, 2])
  start, end = entry["data_offsets"]
  data = content[8 + length :][start:end]
  assert data == params()["word"]["embedding"].tobytes()


@pytest.mark.parametrize("name", safetensors_file.DTYPES)
def test_every_dtype_comes_back(tmp_path, name):
  dtype = safetensors_file.DTYPES[name]
  arrays = {
    "x": np.array([[0, 1], [1, 0]]).astype(dtype),
    "y": np.zeros((), dtype),
  }
  file = tmp_path / "x.safetensors"
  safetensors_file.write(file, arrays, {"by": "a test"})
  found = safetensors_file.read(file)
  assert list(found) == ["x", "y"]
  assert found["x"].dtype == dtype
  np.testing.assert_array_equal(found["x"], arrays["x"])


def test_arrays_are_aligned_whatever_stands_before_them(tmp_path):
  file = tmp_path / "x.safetensors"
  arrays = {"a": np.ones(3, ml_dtypes.bfloat16), "b": np.ones(2)}
  safetensors_file.write(file, arrays)
  assert list(safetensors_file.read(file)) == ["b", "a"]


def damaged(content):
  """The ways in which a file can be something else, with what is said."""
  length = int.from_bytes(content[:8], "little")
  header = json.loads(content[8 : 8 + length])

  def with_header(**changes):
    changed = json.loads(json.dumps(header))
    changed["word/embedding"].update(changes)
    text = json.dumps(changed).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]

  return {
    "shorter": (content[:-4], "does not fill"),
    "longer": (content + b"abcd", "its header says"),
    "empty": (b"", "its header would have 0"),
    "huge header": (b"\xff" * 8 + content[8:], "its header would have"),
    "no JSON": (content[:8] + b"!" + content[9:], "Expecting value"),
    "another shape": (with_header(shape=[3, 3]), "does not fill"),
    "another dtype": (with_header(dtype="F8"), "the dtype of"),
    "a negative size": (with_header(shape=[-3, -2]), "are no counts"),
    "over another": (
      with_header(data_offsets=[0, 24]),
      "does not begin where the last one ends",
    ),
  }


HOW = (
  *("shorter", "longer", "empty", "huge header", "no JSON"),
  *("another shape", "another dtype", "a negative size", "over another"),
)


@pytest.mark.parametrize("how", HOW)
def test_another_file_is_refused_by_name(tmp_path, how):
  weights.write_weights(tmp_path, params(), MODEL)
  file = tmp_path / "params.safetensors"
  content, message = damaged(file.read_bytes())[how]
  file.write_bytes(content)
  with pytest.raises(InputError, match=message) as caught:
    weights.read_weights(tmp_path)
  assert str(file) in str(caught.value)


def test_params_of_another_dtype_are_refused(tmp_path):
  weights.write_weights(tmp_path, params(), MODEL)
  safetensors_file.write(tmp_path / "params.safetensors", {"x": np.zeros(2)})
  with pytest.raises(InputError, match="x is of float64; params are float32"):
    weights.read_weights(tmp_path)


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("[]", "is no model's"),
    ('{"kind": "gpt", "options": {}}', "its kind must be in"),
    ("{", "is no model's"),
    (None, "holds no model: it has no model.json"),
  ],
)
def test_another_model_file_is_refused(tmp_path, text, message):
  weights.write_weights(tmp_path, params(), MODEL)
  file = tmp_path / "model.json"
  file.unlink() if text is None else file.write_text(text)
  with pytest.raises(InputError, match=message):
    weights.read_model(tmp_path)
