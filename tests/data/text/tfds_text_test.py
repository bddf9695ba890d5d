"""Any TFDS dataset with a text; and what is said where there is none."""

import importlib.util
import json
import os
import sys
import time

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.text import corpus, sources

ARTICLES = (
  "First article.\n\nIts second paragraph.",
  "\n_START_ARTICLE_\nWiki 40\n_START_PARAGRAPH_\nOne._NEWLINE_Two.",
  "",
)


def write_dataset(folder, texts, file_format="array_record"):
  """A dataset as `tfds build` leaves it, without TensorFlow."""
  from array_record.python import array_record_module
  import tensorflow_datasets as tfds

  target = folder / "tiny_wiki" / "1.0.0"
  target.mkdir(parents=True)
  features = tfds.features.FeaturesDict(
    {"text": tfds.features.Text(), "title": tfds.features.Text(), "n": np.int64}
  )
  template = tfds.core.ShardedFileTemplate(
    data_dir=str(target),
    dataset_name="tiny_wiki",
    split="train",
    filetype_suffix=file_format,
  )
  infos = []
  for split in ("train", "validation"):
    template = template.replace(split=split)
    path = str(template.sharded_filepath(shard_index=0, num_shards=1))
    writer = array_record_module.ArrayRecordWriter(path, "group_size:1")
    for i, characters in enumerate(texts):
      example = {"text": characters, "title": f"t{i}", "n": i}
      writer.write(features.serialize_example(example))
    writer.close()
    infos.append(
      tfds.core.SplitInfo(
        name=split,
        shard_lengths=[len(texts)],
        num_bytes=1,
        filename_template=template,
      )
    )
  tfds.folder_dataset.write_metadata(
    data_dir=str(target), features=features, split_infos=infos, check_data=False
  )
  info = json.loads((target / "dataset_info.json").read_text())
  info |= {"name": "tiny_wiki", "version": "1.0.0", "fileFormat": file_format}
  (target / "dataset_info.json").write_text(json.dumps(info))
  return target


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  return tmp_path


def read(split, feature="text"):
  return list(sources.read("tfds:tiny_wiki", split, feature))


def test_array_records_are_read_without_tensorflow(data_dir):
  target = write_dataset(data_dir, ARTICLES)
  one, two, three = read("train")
  assert one.text == "First article.\nIts second paragraph."
  assert one.name == "tfds:tiny_wiki/train:0"
  assert two.text == "Wiki 40\nOne.\nTwo."
  assert three.text == ""
  assert [d.text for d in read("validation[:1]", "title")] == ["t0"]
  assert sources.find_files("tfds:tiny_wiki", "train") == [
    str(target / "tiny_wiki-train.array_record-00000-of-00001")
  ]
  assert "tensorflow" not in sys.modules


def test_splits_are_train_and_held_out(data_dir, tmp_path):
  write_dataset(data_dir, ARTICLES)
  staged = corpus.Corpus(
    "tfds:tiny_wiki", "train[:1]", "validation[1:]", 0.5, "text"
  ).stage(str(tmp_path))
  assert staged.documents == {"train": 1, "eval": 1}
  assert staged.empty == 1


@pytest.mark.parametrize(
  ("split", "feature", "message"),
  [
    (
      "train",
      "txt",
      r"'txt' is no text of tfds:tiny_wiki; it has n \(.*\), text \(text\), "
      r"title \(text\)",
    ),
    ("train", "n", "'n' is no text of"),
    ("test", "text", "'test' is no split of tfds:tiny_wiki; it has train, val"),
    ("train[:x]", "text", "is no split of tfds:tiny_wiki"),
    ("", "text", "'' is no split of tfds:tiny_wiki; it has train, validation"),
  ],
)
def test_a_wrong_name_lists_the_right_ones(data_dir, split, feature, message):
  write_dataset(data_dir, ARTICLES)
  with pytest.raises(errors.InputError, match=message):
    read(split, feature)


def test_bytes_that_are_no_text_name_their_example(data_dir):
  write_dataset(data_dir, ["fine", b"caf\xe9"])
  with pytest.raises(
    errors.InputError, match="tfds:tiny_wiki/train:1: byte 3 of 'text' is 0xe9"
  ):
    read("train")


@pytest.mark.parametrize(
  "name", ["wikipedia/20230601.en", "wiki40b/en", "lm1b", "c4/en"]
)
def test_without_data_folder_and_command_are_named_at_once(data_dir, name):
  begin = time.monotonic()
  with pytest.raises(errors.InputError) as caught:
    list(sources.read(f"tfds:{name}", "train"))
  assert time.monotonic() - begin < 30
  message = str(caught.value)
  assert str(data_dir) in message
  assert "looked in" in message
  assert f"`tfds build {name} --file_format=array_record" in message
  assert "TFDS_DATA_DIR" in message


def test_an_unknown_dataset_names_itself(data_dir):
  with pytest.raises(errors.InputError, match="tfds:no_such_thing is neither"):
    list(sources.read("tfds:no_such_thing", "train"))


@pytest.mark.skipif(
  importlib.util.find_spec("tensorflow") is not None,
  reason="TensorFlow is installed",
)
def test_without_tensorflow_other_formats_name_the_remedies(data_dir):
  write_dataset(data_dir, ARTICLES, file_format="tfrecord")
  with pytest.raises(
    errors.InputError, match=r"tfrecord files, which only TensorFlow.*\[data\]"
  ):
    read("train")


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", ["wikipedia/20230601.en", "lm1b"])
def test_tensorflow_reads_any_other(name, tmp_path):
  pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
  import tensorflow_datasets as tfds

  # mock_data makes up the examples; the metadata must be there, as they are
  # where the data is.
  with tfds.testing.mock_data(num_examples=7, data_dir=str(tmp_path)):
    builder = tfds.builder(name)
    os.makedirs(builder.data_dir)
    template = tfds.core.ShardedFileTemplate(
      data_dir=builder.data_dir,
      dataset_name=builder.name,
      split="train",
      filetype_suffix="tfrecord",
    )
    split = tfds.core.SplitInfo(
      name="train",
      shard_lengths=[7],
      num_bytes=1,
      filename_template=template,
    )
    builder.info.set_splits(tfds.core.SplitDict([split]))
    builder.info.write_to_directory(builder.data_dir)
    documents = list(sources.read(f"tfds:{name}", "train"))
  assert len(documents) == 7
  assert documents[0].name == f"tfds:{name}/train:0"
  assert len({document.text for document in documents}) > 1
