"""Rows come back as written, by us and by TFDS; foreign data is refused."""

import sys
import threading

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data import packing, record_writer, records, wordpiece

LENGTH = 16
TOKENIZER = wordpiece.train(lambda: ["some words of text"], 64)


def make_rows(count, seed=0):
  rng = np.random.default_rng(seed)
  rows = []
  for _ in range(count):
    row = {n: rng.integers(0, 18, LENGTH, np.int32) for n in packing.FEATURES}
    # Zeros at the end are bytes that a careless decoder strips.
    rows.append({name: np.append(v[:-3], [0] * 3) for name, v in row.items()})
  return [{n: v.astype(np.int32) for n, v in row.items()} for row in rows]


def write(folder, train, held_out, tokenizer=TOKENIZER):
  with record_writer.Writer(str(folder), LENGTH, tokenizer) as writer:
    for row in train:
      writer.write("train", row)
    for row in held_out:
      writer.write("eval", row)
    return writer.finish(
      source="s", tagger="t", arguments={}, inputs={}, versions={}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("data")
  record_writer._ROWS_A_SHARD, kept = 20, record_writer._ROWS_A_SHARD
  write(folder, make_rows(50), make_rows(7, seed=1))
  record_writer._ROWS_A_SHARD = kept
  return folder


def test_rows_come_back_in_the_order_asked(folder):
  rows = make_rows(50)
  source = records.open_dataset(str(folder)).split("train")
  assert len(source) == 50
  indices = np.array([49, 0, 20, 19, 20, 33])
  block = source.read(indices)
  assert tuple(block) == packing.FEATURES
  for name, values in block.items():
    assert values.dtype == np.int32
    assert (values == np.stack([rows[i][name] for i in indices])).all()
  assert source.read([])["tokens"].shape == (0, LENGTH)


def test_tfds_reads_the_same_rows_without_tensorflow(folder):
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(str(folder))
  for split, rows in (("train", make_rows(50)), ("eval", make_rows(7, 1))):
    source = builder.as_data_source(split)
    assert len(source) == len(rows)
    for seen, row in zip(source, rows, strict=True):
      assert all((seen[name] == row[name]).all() for name in row)
      assert all(seen[name].dtype == np.int32 for name in row)
  assert "tensorflow" not in sys.modules


def test_info_counts_what_was_written(folder):
  rows = make_rows(50)
  info = records.open_dataset(str(folder)).info
  assert info.rows == {"train": 50, "eval": 7}
  tokens = sum(int((row["segment_ids"] > 0).sum()) for row in rows)
  assert info.tokens["train"] == tokens
  assert info.padding_share["train"] == pytest.approx(1 - tokens / 800)
  words = sum(int((row["word_starts"] > 0).sum()) for row in rows)
  assert sum(info.tag_counts["train"].values()) == words
  assert info.vocabulary_size == TOKENIZER.get_vocab_size()


def test_digest_is_that_of_the_rows_whatever_the_shards(folder, tmp_path):
  dataset = records.open_dataset(str(folder))
  assert dataset.compute_digest() == dataset.info.digest
  info = write(tmp_path / "same", make_rows(50), make_rows(7, seed=1))
  assert info.digest == dataset.info.digest
  rows = make_rows(50)
  others = {
    "swapped": ([rows[1], rows[0], *rows[2:]], make_rows(7, seed=1)),
    "moved": (rows[:-1], [rows[-1], *make_rows(7, seed=1)]),
  }
  digests = {write(tmp_path / k, *v).digest for k, v in others.items()}
  tokenizer = wordpiece.train(lambda: ["other words"], 64)
  held_out = make_rows(7, seed=1)
  digests.add(write(tmp_path / "t", rows, held_out, tokenizer).digest)
  assert len({*digests, info.digest}) == 4


def test_threads_read_what_one_reads(folder):
  source = records.open_dataset(str(folder)).split("train")
  expected = source.read(range(50))["tokens"]
  wrong = []

  def read(seed):
    rng = np.random.default_rng(seed)
    for _ in range(20):
      indices = rng.integers(0, 50, 8)
      if (source.read(indices)["tokens"] != expected[indices]).any():
        wrong.append(seed)

  threads = [threading.Thread(target=read, args=(i,)) for i in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert not wrong


def test_an_absent_or_incomplete_dataset_names_the_command(tmp_path):
  command = r"python -m taskrobust_jax\.prepare --config=.* --data_dir="
  with pytest.raises(errors.InputError, match=f"is no folder.*{command}"):
    records.open_dataset(str(tmp_path / "none"))
  with pytest.raises(errors.InputError, match=f"no complete .*{command}"):
    records.open_dataset(str(tmp_path))


def test_a_dataset_that_differs_from_the_config_is_refused(folder):
  records.open_dataset(str(folder), row_length=LENGTH, digest="")
  with pytest.raises(errors.InputError, match="says 32; the rows .* have 16"):
    records.open_dataset(str(folder), row_length=32)
  digest = records.open_dataset(str(folder)).info.digest
  records.open_dataset(str(folder), digest=digest)
  with pytest.raises(errors.InputError, match=f"says abc; .* has {digest}"):
    records.open_dataset(str(folder), digest="abc")


def test_another_tokenizer_is_refused(tmp_path):
  write(tmp_path, make_rows(1), make_rows(1))
  file = tmp_path / "tokenizer.json"
  file.write_bytes(file.read_bytes() + b"\n")
  with pytest.raises(errors.InputError, match="is not the tokenizer of these"):
    records.open_dataset(str(tmp_path))
  file.unlink()
  with pytest.raises(errors.InputError, match=r"tokenizer\.json: cannot be"):
    records.open_dataset(str(tmp_path))


@pytest.mark.parametrize(
  "damage", ["flip", "cut", "remove", "metadata", "rows"]
)
def test_damaged_files_are_an_input_error(tmp_path, damage):
  write(tmp_path, make_rows(50), make_rows(1))
  shard = tmp_path / "rows-train.array_record-00000-of-00001"
  data = bytearray(shard.read_bytes())
  if damage == "flip":
    data[1_000] ^= 255
    shard.write_bytes(data)
  elif damage == "cut":
    shard.write_bytes(data[: len(data) // 2])
  elif damage == "remove":
    shard.unlink()
  elif damage == "metadata":
    (tmp_path / "dataset_info.json").write_text("{}")
  else:
    file = tmp_path / "dataset.json"
    file.write_text(file.read_text().replace('"train": 50', '"train": 51'))
  dataset = records.open_dataset(str(tmp_path))
  with pytest.raises(errors.InputError, match=str(tmp_path)):
    dataset.split("train").read(range(50))


def test_bad_arguments_name_themselves(folder):
  dataset = records.open_dataset(str(folder))
  with pytest.raises(errors.InputError, match="split: 'test' is not one of"):
    dataset.split("test")
  for indices in ([50], [-1, 3]):
    with pytest.raises(errors.InputError, match="train has the rows 0 to 49"):
      dataset.split("train").read(indices)
