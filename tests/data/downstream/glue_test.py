"""GLUE in its official layout with all its quirks, and from TFDS."""

import dataclasses
import json

import numpy as np
import pytest

from taskrobust_jax.data.downstream import glue
from taskrobust_jax.errors import InputError
from tests.data import real

# Header and one row of each task's file, as the official folders have them.
PARSES = "\t".join(["x"] * 8)
MNLI_HEADER = (
  "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\t"
  "sentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\t"
  "sentence2\tlabel1\tgold_label\n"
)
FILES = {
  "CoLA": ("", "gj04\t1\t*\tone\n", ("one", None, 1)),
  "SST-2": ("sentence\tlabel\n", "one \t0\n", ("one ", None, 0)),
  "MRPC": (
    "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n",
    '1\t7\t8\t" one\ttwo\n',
    ('" one', "two", 1),
  ),
  "STS-B": (
    "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\t"
    "sentence2\tscore\n",
    '0\tg\tf\t2012\t1\tnone\tnone\tone\t"two\t3.800\n',
    ("one", '"two', 3.8),
  ),
  "QQP": (
    "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n",
    "0\t1\t2\tone\ttwo\t1\n",
    ("one", "two", 1),
  ),
  "MNLI-m": (
    MNLI_HEADER,
    f"{PARSES}\tone\ttwo\tneutral\tcontradiction\n",
    ("one", "two", 2),
  ),
  "MNLI-mm": (
    MNLI_HEADER,
    f"{PARSES}\tone\ttwo\tneutral\tentailment\n",
    ("one", "two", 0),
  ),
  "QNLI": (
    "index\tquestion\tsentence\tlabel\n",
    "0\tone\ttwo\tnot_entailment\n",
    ("one", "two", 1),
  ),
  "RTE": (
    "index\tsentence1\tsentence2\tlabel\n",
    "0\tone\ttwo\tentailment\n",
    ("one", "two", 0),
  ),
  "WNLI": (
    "index\tsentence1\tsentence2\tlabel\n",
    "0\tone\ttwo\t1\n",
    ("one", "two", 1),
  ),
}


def write(folder, name, text):
  task = glue.TASKS[name]
  (folder / task.folder).mkdir(exist_ok=True)
  for split in ("train", task.dev):
    (folder / task.folder / f"{split}.tsv").write_text(text, "utf-8")


def test_there_are_nine_tasks():
  assert set(FILES) == set(glue.TASKS)
  assert len({task.folder for task in glue.TASKS.values()}) == 9


@pytest.mark.parametrize("name", FILES)
def test_the_official_layout(tmp_path, name):
  header, row, (first, second, label) = FILES[name]
  write(tmp_path, name, header + row + row)
  for split in ("train", "dev"):
    found = glue.read(str(tmp_path), name, split)
    assert found.first == (first,) * 2
    assert found.second == (None if second is None else (second,) * 2)
    np.testing.assert_allclose(found.labels, [label] * 2)


def test_broken_rows_are_passed_over_in_qqp_alone(tmp_path):
  for name, is_legal in (("QQP", True), ("RTE", False)):
    header, row, _ = FILES[name]
    write(tmp_path, name, header + row + "0\tbroken\n" + row)
    if is_legal:
      assert len(glue.read(str(tmp_path), name, "train").labels) == 2
    else:
      with pytest.raises(InputError, match="train.tsv:3: 2 cells"):
        glue.read(str(tmp_path), name, "train")


def test_a_test_split_has_no_labels(tmp_path):
  write(tmp_path, "SST-2", "index\tsentence\n0\tone\n")
  with pytest.raises(InputError, match="has no column 'label'.*test split"):
    glue.read(str(tmp_path), "SST-2", "dev")
  with pytest.raises(InputError, match="split: 'test' has no labels"):
    glue.read(str(tmp_path), "SST-2", "test")


def test_unknown_tasks_and_folders_are_named(tmp_path):
  with pytest.raises(InputError, match="'COLA' is not one of GLUE's CoLA"):
    glue.read(str(tmp_path), "COLA", "train")
  with pytest.raises(InputError, match="CoLA/train.tsv: is no file"):
    glue.read(str(tmp_path), "CoLA", "train")


def write_tfds(folder, name, labels, kind):
  """A dataset as `tfds build glue/<name>` leaves it, without TensorFlow."""
  from array_record.python import array_record_module
  import tensorflow_datasets as tfds

  target = folder / "glue" / name / "2.0.0"
  target.mkdir(parents=True)
  features = tfds.features.FeaturesDict(
    {
      "sentence1": tfds.features.Text(),
      "sentence2": tfds.features.Text(),
      "label": kind,
      "idx": np.int32,
    }
  )
  infos = []
  for split in ("train", "validation"):
    template = tfds.core.ShardedFileTemplate(
      data_dir=str(target),
      dataset_name="glue",
      split=split,
      filetype_suffix="array_record",
    )
    path = str(template.sharded_filepath(shard_index=0, num_shards=1))
    writer = array_record_module.ArrayRecordWriter(path, "group_size:1")
    for i, label in enumerate(labels):
      example = {"sentence1": f"é {i}", "sentence2": "b", "label": label}
      writer.write(features.serialize_example({**example, "idx": i}))
    writer.close()
    infos.append(
      tfds.core.SplitInfo(
        name=split,
        shard_lengths=[len(labels)],
        num_bytes=1,
        filename_template=template,
      )
    )
  tfds.folder_dataset.write_metadata(
    data_dir=str(target), features=features, split_infos=infos, check_data=False
  )
  info = json.loads((target / "dataset_info.json").read_text())
  info |= {"name": "glue", "version": "2.0.0", "fileFormat": "array_record"}
  info |= {"configName": name}
  (target / "dataset_info.json").write_text(json.dumps(info))


def test_what_tfds_has_prepared(tmp_path, monkeypatch):
  import tensorflow_datasets as tfds

  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  kind = tfds.features.ClassLabel(names=["entailment", "not_entailment"])
  write_tfds(tmp_path, "rte", [1, 0, 1], kind)
  found = glue.read(glue.TFDS, "RTE", "dev")
  assert found.first == ("é 0", "é 1", "é 2")
  assert found.second == ("b", "b", "b")
  assert found.labels.tolist() == [1, 0, 1]
  write_tfds(tmp_path, "stsb", [2.5, 0.0], np.float32)
  assert glue.read(glue.TFDS, "STS-B", "train").labels.tolist() == [2.5, 0.0]
  write_tfds(tmp_path, "wnli", [-1], tfds.features.ClassLabel(num_classes=2))
  with pytest.raises(
    InputError, match="wnli/train:0: the label is -1: this sp"
  ):
    glue.read(glue.TFDS, "WNLI", "train")
  other = dataclasses.replace(glue.TASKS["QQP"], tfds="rte")
  with pytest.raises(InputError, match="text_feature: 'question1' is no text"):
    glue.read_tfds(other, "train")


def test_tfds_without_data_says_where_it_looked(tmp_path, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
  with pytest.raises(InputError, match="tfds:glue/mrpc is n.*looked in"):
    glue.read(glue.TFDS, "MRPC", "train")


@real.needs_glue
@pytest.mark.parametrize(
  ("name", "train", "dev"),
  [
    ("CoLA", 8551, 1043),
    ("SST-2", 67349, 872),
    ("MRPC", 3668, 408),
    ("STS-B", 5749, 1500),
    ("WNLI", 635, 71),
  ],
)
def test_the_real_files_have_as_many_rows(name, train, dev):
  folder = str(real.GLUE)
  assert len(glue.read(folder, name, "train").labels) == train
  assert len(glue.read(folder, name, "dev").labels) == dev
