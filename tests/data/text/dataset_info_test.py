"""dataset.json is a stranger's file."""

import dataclasses
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import part_of_speech
from taskrobust_jax.data.text import dataset_info, vocabulary

INFO = dataset_info.DatasetInfo(
  schema_version=dataset_info.SCHEMA_VERSION,
  source="python_docs",
  tagger="pattern",
  row_length=16,
  vocabulary_size=128,
  tag_names=part_of_speech.TAG_NAMES,
  special_token_ids=vocabulary.SPECIAL_TOKEN_IDS,
  rows={"train": 3, "eval": 1},
  tokens={"train": 40, "eval": 9},
  tag_counts={"train": {"NOUN": 4}, "eval": {}},
  padding_share={"train": 0.25, "eval": 0.5},
  tokenizer_sha256="0",
  shard_rows={"train": (2, 1), "eval": (1,)},
  shard_digests={"train": ("a", "b"), "eval": ("c",)},
  digest="1",
  arguments={"source": "python_docs"},
  inputs={"a.txt": "0f"},
  versions={"python": "3.11"},
)
JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
  lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
  max_leaves=5,
)


def write(folder, **changes):
  data = json.loads(json.dumps(dataclasses.asdict(INFO))) | changes
  (folder / "dataset.json").write_text(json.dumps(data))


def test_what_is_written_is_read(tmp_path):
  assert dataset_info.read(str(tmp_path)) is None
  assert dataset_info.read(str(tmp_path / "none")) is None
  dataset_info.write(str(tmp_path), INFO)
  assert dataset_info.read(str(tmp_path)) == INFO
  assert [file.name for file in tmp_path.iterdir()] == ["dataset.json"]


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"schema_version": 1}, "schema_version is 1; a dataset of text has 2"),
    ({"schema_version": None}, "schema_version is None"),
    ({"rows": {"train": "3", "eval": 1}}, r"rows\['train'\] is '3'.*whole"),
    ({"rows": {"train": -3, "eval": 1}}, r"rows\['train'\] is -3"),
    ({"rows": {"train": 3}}, "rows is {'train': 3}, which no dataset"),
    ({"rows": {"train": 3, "eval": 0}}, "rows is .*which no dataset"),
    ({"row_length": True}, "row_length is True"),
    ({"row_length": 7}, "row_length is 7, which no dataset"),
    ({"tag_names": "NOUN"}, "tag_names is 'NOUN'; it must be a list"),
    ({"tag_names": ["_", "_"]}, "tag_names is"),
    ({"special_token_ids": {"[PAD]": 1}}, "special_token_ids is"),
    (
      {"special_token_ids": vocabulary.SPECIAL_TOKEN_IDS | {"[CLS]": 128}},
      "special_token_ids is",
    ),
    (
      {"special_token_ids": vocabulary.SPECIAL_TOKEN_IDS | {"[CLS]": 3}},
      "special_token_ids is",
    ),
    ({"shard_rows": {"train": [2], "eval": [1]}}, "shard_rows is"),
    ({"shard_digests": {"train": ["a"], "eval": ["c"]}}, "shard_digests is"),
    ({"vocabulary_size": 5}, "vocabulary_size is 5"),
    ({"padding_share": {"train": 1e999, "eval": 0}}, "must be a finite number"),
    ({"tag_counts": {"train": {"NOON": 4}, "eval": {}}}, "tag_counts is"),
    ({"digest": None}, "digest is None; it must be text"),
  ],
)
def test_bad_values_name_themselves(tmp_path, changes, message):
  write(tmp_path, **changes)
  with pytest.raises(errors.InputError, match=message):
    dataset_info.read(str(tmp_path))


@pytest.mark.parametrize(
  "content",
  [b"", b"{", b"\xff", b"[]", b"[" * 100_000, b"1" * 5_000, b"null", b"NaN"],
)
def test_garbage_is_an_input_error(tmp_path, content):
  (tmp_path / "dataset.json").write_bytes(content)
  with pytest.raises(errors.InputError, match=r"dataset\.json: "):
    dataset_info.read(str(tmp_path))


def test_a_missing_field_and_a_folder_name_themselves(tmp_path):
  data = dataclasses.asdict(INFO)
  del data["digest"]
  (tmp_path / "dataset.json").write_text(json.dumps(data))
  with pytest.raises(errors.InputError, match="has no digest"):
    dataset_info.read(str(tmp_path))
  (tmp_path / "dataset.json").unlink()
  (tmp_path / "dataset.json").mkdir()
  with pytest.raises(errors.InputError, match="cannot be read"):
    dataset_info.read(str(tmp_path))


@settings(
  suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.sampled_from([f.name for f in dataclasses.fields(INFO)]), JSON)
def test_any_value_of_a_field_is_read_or_an_input_error(tmp_path, name, value):
  write(tmp_path, **{name: value})
  try:
    assert dataset_info.read(str(tmp_path)) is not None
  except errors.InputError:
    return  # Nothing else may be raised.
