"""What TFDS would import or open is looked at before."""

import json

import pytest

from taskrobust_jax.data.text import records, tfds_files
from taskrobust_jax.errors import InputError
from tests.data.text import records_test

SPLITS = tfds_files.SPLITS_FILE
FEATURES = tfds_files.FEATURES_FILE


@pytest.fixture
def folder(tmp_path):
  rows = records_test.make_rows(7)
  records_test.write(tmp_path, rows[:5], rows[5:])
  return tmp_path


def change(folder, name, old, new):
  file = folder / name
  text = file.read_text()
  assert old in text
  file.write_text(text.replace(old, new, 1))


def refused(folder):
  dataset = records.open_dataset(str(folder))
  with pytest.raises(InputError) as caught:
    dataset.split("train")
  assert "Traceback" not in str(caught.value)
  return str(caught.value)


def test_what_prepare_writes_is_read(folder):
  assert len(records.open_dataset(str(folder)).split("train")) == 5


@pytest.mark.parametrize(
  ("name", "old", "new", "words"),
  [
    (SPLITS, "{DATASET}-", "../x-", "filepathTemplate is '../x-{SPLIT}"),
    (SPLITS, "{DATASET}-", "/etc/x-", "filepathTemplate is '/etc/x-{SPLIT}"),
    (SPLITS, '"rows"', '"../../rows"', "files named rows"),
    (SPLITS, "array_record", "tfrecord", "is not of array_record files"),
    (SPLITS, '"eval"', '"../eval"', "the shards of '../eval' do not have"),
    (SPLITS, '"5"', '"99999999999999999"', "the shards of 'train' do not"),
    (SPLITS, '"5"', '"-5"', "the shards of 'train' do not have the rows"),
    (FEATURES, "tensor_feature.Tensor", "x.Y", "its features are not"),
    (FEATURES, "tensorflow_datasets.core", "evil", "its features are not"),
    (FEATURES, '"16"', '"1600000000"', "of 16 numbers"),
  ],
)
def test_other_classes_paths_and_sizes_are_refused(
  folder, name, old, new, words
):
  change(folder, name, old, new)
  assert words in refused(folder)


@pytest.mark.parametrize("garbage", [b"", b"[]", b"\xff", b"[" * 100_000, b"3"])
@pytest.mark.parametrize("name", [SPLITS, FEATURES])
def test_garbage_is_refused(folder, name, garbage):
  (folder / name).write_bytes(garbage)
  assert str(folder / name) in refused(folder)


@pytest.mark.parametrize(
  "splits", [None, {}, [], [1, 2], [{}, {}], [[[]], "x"], [{"name": []}] * 2]
)
def test_splits_of_any_form_are_refused(folder, splits):
  content = json.loads((folder / SPLITS).read_text())
  (folder / SPLITS).write_text(json.dumps(content | {"splits": splits}))
  assert SPLITS in refused(folder)
