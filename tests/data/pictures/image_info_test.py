"""A dataset.json that was not written by us names what is wrong."""

import json

import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.pictures import image_info, image_records
from tests.data.pictures.image_cases import write


@pytest.mark.parametrize(
  ("name", "value", "text"),
  [
    ("schema_version", 2, "schema_version is 2; a dataset of pictures has"),
    ("height", -1, "height is -1; it must be a whole number from 0"),
    ("height", 0, "height is 0, which no dataset of pictures"),
    ("width", 0, "width is 0, which no dataset of pictures"),
    ("modalities", ["rgb", "sound"], "modalities is"),
    ("modalities", "rgb", "modalities is 'rgb'; it must be a list"),
    ("class_names", [], r"class_names is \(\), which"),
    ("rows", {"train": 4}, "rows is"),
    ("shard_rows", {"train": [1], "eval": [1]}, "shard_rows is"),
    ("width", 15, "digest is"),
    ("shard_digests", {"a": [], "b": []}, "shard_digests is"),
    ("with_modality", {}, "with_modality is"),
    ("digest", None, "has no digest"),
  ],
)
def test_a_dataset_json_that_is_wrong_names_what(tmp_path, name, value, text):
  write(tmp_path)
  file = tmp_path / "dataset.json"
  content = json.loads(file.read_text())
  content[name] = value
  if value is None:
    content.pop(name)
  file.write_text(json.dumps(content))
  with pytest.raises(errors.InputError, match=text):
    image_records.open_dataset(str(tmp_path))


def test_a_dataset_json_that_is_no_json(tmp_path):
  for content, text in (("{", "cannot be read"), ("[]", "is no JSON object")):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(errors.InputError, match=text):
      image_info.read(str(tmp_path))
  with pytest.raises(errors.InputError, match=r"is no folder .*prepare"):
    image_records.open_dataset(str(tmp_path / "none"))
