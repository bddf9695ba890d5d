"""Rows come back as written, by us and by TFDS; foreign data is refused."""

import json
import sys
import threading

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data import stored
from taskrobust_jax.data.tagging import part_of_speech
from taskrobust_jax.data.text import (
  packing,
  records,
  shards,
  vocabulary,
  wordpiece,
)

LENGTH = 16
TOKENIZER = wordpiece.train(lambda: ["some words of text"], 64)


def make_rows(count, seed=0):
  rng = np.random.default_rng(seed)
  rows = []
  for _ in range(count):
    row = {n: rng.integers(0, 16, LENGTH, np.int32) for n in packing.FEATURES}
    row["word_starts"] %= 2
    # Zeros at the end are bytes that a careless decoder strips.
    rows.append({name: np.append(v[:-3], [0] * 3) for name, v in row.items()})
  return [{n: v.astype(np.int32) for n, v in row.items()} for row in rows]


def write(folder, train, held_out, tokenizer=TOKENIZER, rows_a_shard=99):
  folder.mkdir(exist_ok=True)
  digest = wordpiece.save(tokenizer, str(folder / "tokenizer.json"))
  counts = {}
  for split, rows in (("train", train), ("eval", held_out)):
    parts = [
      rows[i : i + rows_a_shard] for i in range(0, len(rows), rows_a_shard)
    ]
    counts[split] = [
      shards.write_shard(
        str(folder / stored.file_name(split, i, len(parts))), part, 18
      )
      for i, part in enumerate(parts)
    ]
  return shards.finish(
    str(folder),
    counts,
    row_length=LENGTH,
    tag_names=part_of_speech.TAG_NAMES,
    tokenizer_sha256=digest,
    vocabulary_size=vocabulary.size(tokenizer),
    special_token_ids=vocabulary.SPECIAL_TOKEN_IDS,
    source="s",
    tagger="t",
    arguments={},
    inputs={},
    versions={},
  )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("data")
  write(folder, make_rows(50), make_rows(7, seed=1), rows_a_shard=20)
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


def test_digest_is_that_of_rows_shards_and_tokenizer(folder, tmp_path):
  dataset = records.open_dataset(str(folder))
  assert dataset.verify() == dataset.info.digest
  assert dataset.info.shard_rows == {"train": (20, 20, 10), "eval": (7,)}
  rows, held_out = make_rows(50), make_rows(7, seed=1)
  same = write(tmp_path / "same", rows, held_out, rows_a_shard=20)
  assert same.digest == dataset.info.digest
  tokenizer = wordpiece.train(lambda: ["other words"], 64)
  others = {
    "swapped": ([rows[1], rows[0], *rows[2:]], held_out),
    "moved": (rows[:-1], [rows[-1], *held_out]),
    "tokenizer": (rows, held_out, tokenizer),
  }
  digests = {
    write(tmp_path / k, *v, rows_a_shard=20).digest for k, v in others.items()
  }
  digests.add(write(tmp_path / "shards", rows, held_out).digest)
  assert len({*digests, same.digest}) == 5


def test_verify_names_the_first_bad_shard(tmp_path):
  write(tmp_path, make_rows(50), make_rows(7), rows_a_shard=20)
  dataset = records.open_dataset(str(tmp_path))
  # Rows of the right shape that are others: only the digest can tell.
  path = str(tmp_path / stored.file_name("train", 1, 3))
  shards.write_shard(path, make_rows(20, seed=5), 18)
  with pytest.raises(errors.InputError, match="shard 1 of 3 of train is dam"):
    dataset.verify()
  (tmp_path / stored.file_name("train", 1, 3)).write_bytes(b"x" * 9_000)
  with pytest.raises(errors.InputError, match=r"shard 1 .* damaged: .*cannot"):
    dataset.verify()


@pytest.mark.parametrize(
  ("name", "value"),
  [
    ("tokens", 64),
    ("tokens", -1),
    ("tags", 18),
    ("positions", LENGTH),
    ("segment_ids", LENGTH + 1),
    ("word_starts", 2),
  ],
)
def test_an_id_out_of_range_is_refused(tmp_path, name, value):
  rows = make_rows(3)
  rows[1] = {**rows[1], name: np.full(LENGTH, value, np.int32)}
  rows[1]["word_starts"] = np.minimum(rows[1]["word_starts"], 2)
  if name == "tags":
    rows[1]["word_starts"][:] = 0  # Not counted when it is written.
  write(tmp_path, rows, make_rows(1))
  source = records.open_dataset(str(tmp_path)).split("train")
  source.read([0, 2])
  with pytest.raises(errors.InputError, match=f"has {value} in {name}; 0 to"):
    source.read([0, 1])


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
    data = json.loads(file.read_text())
    data["rows"]["train"] = 51
    data["shard_rows"]["train"] = [51]
    file.write_text(json.dumps(data))
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
