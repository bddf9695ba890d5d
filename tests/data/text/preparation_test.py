"""From text to a dataset: the same everywhere, and errors that say what."""

import gzip
import json
import os
import re
import subprocess
import sys

import pytest

from taskrobust_jax import errors, lock
from taskrobust_jax.data.text import (
  blocks,
  conllu,
  preparation,
  records,
  shards,
  vocabulary,
  wordpiece,
)

WORD = "{}\t{}\tx\t{}\tX\t_\t0\troot\t_\t_\n"
SENTENCES = (
  ("The DET", "old ADJ", "dogs NOUN", "sleep VERB", ". PUNCT"),
  ("Anna PROPN", "quickly ADV", "saw VERB", "them PRON", "! PUNCT"),
)


def write_treebank(file, count, opener=open):
  with opener(file, "wt", encoding="utf-8") as stream:
    for i in range(count):
      words = [word.split() for word in SENTENCES[i % 2]]
      stream.writelines(
        WORD.format(j, *word) for j, word in enumerate(words, 1)
      )
      stream.write("\n")
  return str(file)


@pytest.fixture
def arguments(tmp_path):
  return {
    "source": "conllu",
    "train_path": write_treebank(tmp_path / "train.conllu", 40),
    "eval_path": "",
    "tagger": "gold",
    "vocabulary_size": 100,
    "row_length": 16,
    "eval_share": 0.25,
  }


def test_gold_words_and_held_out_documents(arguments, tmp_path, capsys):
  info = preparation.prepare(str(tmp_path / "data"), **arguments)
  # Every 4th of the sentences, which alternate, is held out: all of one kind.
  assert info.tag_counts["eval"] == dict.fromkeys(
    conllu.UPOS_TAGS, 0
  ) | dict.fromkeys(("PROPN", "ADV", "VERB", "PRON", "PUNCT"), 10)
  assert info.tag_counts["train"]["NOUN"] == 20
  assert info.tag_counts["train"]["PROPN"] == 10
  dataset = records.open_dataset(str(tmp_path / "data"), row_length=16)
  tokenizer = vocabulary.read_json(dataset.tokenizer_file())
  row = dataset.split("train").read([0])
  assert (
    tokenizer.decode(row["tokens"][0][row["positions"][0] > 0])[:4] == "the "
  )
  assert "anna" not in tokenizer.decode(range(5, 30))
  printed = capsys.readouterr().out
  assert "train" in printed
  assert f"wrote {tmp_path}/data/dataset.json" in printed
  assert "against the gold tags" not in printed


def test_pattern_prints_its_agreement_where_gold_exists(
  arguments, tmp_path, capsys
):
  path = write_treebank(tmp_path / "dev.conllu.gz", 6, gzip.open)
  arguments |= {"eval_path": path, "tagger": "pattern", "eval_share": 9}
  info = preparation.prepare(str(tmp_path / "data"), **arguments)
  assert info.inputs[path] == wordpiece.sha256(path)
  printed = capsys.readouterr().out
  assert "the tagger pattern against the gold tags, eval" in printed
  table = printed.split("the tagger pattern against the gold tags, train\n")[1]
  (line,) = re.findall("nouns  .*", table.split("\n\n")[0])
  assert line.split()[1:] == ["40", "1.000", "1.000"]


def test_every_machine_makes_the_same_dataset(arguments, tmp_path):
  info = preparation.prepare(str(tmp_path / "data"), **arguments)
  code = (
    "import sys, json; from taskrobust_jax.data.text import preparation;"
    "info = preparation.prepare(sys.argv[1], **json.loads(sys.argv[2]));"
    "print(info.digest)"
  )
  command = [sys.executable, "-c", code, tmp_path / "b", json.dumps(arguments)]
  result = subprocess.run(
    command,
    capture_output=True,
    text=True,
    check=True,
    env={**os.environ, "RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "7"},
  )
  assert result.stdout.splitlines()[-1] == info.digest


def test_a_second_run_keeps_the_dataset(
  arguments, tmp_path, capsys, monkeypatch
):
  first = preparation.prepare(str(tmp_path / "data"), **arguments)
  monkeypatch.setattr(preparation, "_prepare", None)
  assert preparation.prepare(str(tmp_path / "data"), **arguments) == first
  assert "is complete and made from these arguments: kept" in (
    capsys.readouterr().out
  )
  with pytest.raises(errors.InputError, match="row_length = 16, not 32"):
    preparation.prepare(
      str(tmp_path / "data"), **arguments | {"row_length": 32}
    )
  # An edit that keeps the size.
  file = tmp_path / "train.conllu"
  file.write_text(file.read_text().replace("dogs", "cats", 1))
  with pytest.raises(
    errors.InputError, match=r"inputs of which 1 differ.*train\.conllu"
  ):
    preparation.prepare(str(tmp_path / "data"), **arguments)


def test_an_interrupted_run_goes_on_and_refuses_other_arguments(
  arguments, tmp_path, monkeypatch, capsys
):
  def stop(*_, **__):
    raise KeyboardInterrupt

  data = str(tmp_path / "data")
  with monkeypatch.context() as patch:
    patch.setattr(shards, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
      preparation.prepare(data, **arguments)
  with pytest.raises(errors.InputError, match="no complete dataset"):
    records.open_dataset(data)
  with pytest.raises(
    errors.InputError, match="unfinished dataset made with row_length = 16"
  ):
    preparation.prepare(data, **arguments | {"row_length": 32})
  with monkeypatch.context() as patch:
    patch.setattr(shards, "write_shard", stop)  # All are there.
    info = preparation.prepare(data, **arguments)
  assert "goes on: 2 of 2 blocks are done" in capsys.readouterr().out
  assert records.open_dataset(data).verify() == info.digest
  assert not os.path.exists(os.path.join(data, blocks.WORK_FOLDER))


def test_a_start_without_a_shard_is_no_obstacle(arguments, tmp_path):
  data = str(tmp_path / "data")
  changes = {
    "source": "text_files",
    "train_path": os.path.join(os.path.dirname(__file__), "*.py"),
  }
  with pytest.raises(errors.InputError, match="has no gold tags"):
    preparation.prepare(data, **arguments | changes)
  (tmp_path / "data/rows-train.array_record-00000-o").write_text("left")
  (tmp_path / "data/rows-notes.txt").write_text("mine")
  preparation.prepare(data, **arguments)
  assert sorted(os.listdir(data)) == [
    "dataset.json",
    "dataset_info.json",
    "features.json",
    "rows-eval.array_record-00000-of-00001",
    "rows-notes.txt",
    "rows-train.array_record-00000-of-00001",
    "tokenizer.json",
  ]


def test_the_second_of_two_runs_is_refused(arguments, tmp_path):
  (tmp_path / "data").mkdir()
  with lock.held(tmp_path / "data"):
    with pytest.raises(errors.InputError, match=f"process {os.getpid()} on"):
      preparation.prepare(str(tmp_path / "data"), **arguments)
  preparation.prepare(str(tmp_path / "data"), **arguments)
  assert not (tmp_path / "data" / lock.LOCK).exists()


def test_a_given_vocabulary_is_used(arguments, tmp_path):
  pieces = ["[PAD]", "x", "[UNK]", "the", "dogs", ".", "!", "saw"]
  pieces += ["[CLS]", "[SEP]", "[MASK]"]
  file = tmp_path / "vocab.txt"
  file.write_text("\n".join(pieces))
  arguments |= {"vocabulary_path": str(file), "vocabulary_size": 0}
  info = preparation.prepare(str(tmp_path / "data"), **arguments)
  assert info.vocabulary_size == 11
  assert info.special_token_ids == {
    "[PAD]": 0,
    "[UNK]": 2,
    "[CLS]": 8,
    "[SEP]": 9,
    "[MASK]": 10,
  }
  dataset = records.open_dataset(str(tmp_path / "data"))
  row = dataset.split("train").read([0])["tokens"][0].tolist()
  assert row[:7] == [8, 3, 2, 4, 2, 5, 9]  # The old dogs sleep.
  file.write_text("\n".join(pieces[:-1]))
  with pytest.raises(errors.InputError, match=r"has no \[MASK\]"):
    preparation.prepare(str(tmp_path / "other"), **arguments)


def test_a_long_word_is_one_unknown_piece(arguments, tmp_path):
  (tmp_path / "a.txt").write_text("A dog " + "x" * 1_000_000 + " ran.\n")
  (tmp_path / "b.txt").write_text("A dog ran.")
  arguments |= {
    "source": "text_files",
    "train_path": str(tmp_path / "a.txt"),
    "eval_path": str(tmp_path / "b.txt"),
    "tagger": "pattern",
  }
  info = preparation.prepare(str(tmp_path / "data"), **arguments)
  dataset = records.open_dataset(str(tmp_path / "data"))
  row = dataset.split("train").read([0])["tokens"][0].tolist()
  assert row.count(info.special_token_ids["[UNK]"]) == 1
  assert info.rows["train"] == 1


def test_verify_prints_the_digest(arguments, tmp_path, capsys):
  info = preparation.prepare(str(tmp_path / "data"), **arguments)
  preparation.verify(str(tmp_path / "data"))
  assert f"rows are fine, digest {info.digest}" in capsys.readouterr().out
  with pytest.raises(errors.InputError, match="no complete dataset|no folder"):
    preparation.verify(str(tmp_path))


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"source": "conlu"}, "did you mean 'conllu'"),
    ({"tagger": "silver"}, "tagger: 'silver' is not one of"),
    ({"vocabulary_size": 10}, "vocabulary_size: 10 is not between 64"),
    ({"row_length": 7}, "row_length: 7 is not between 8"),
    ({"eval_share": 0.0}, "eval_share: 0.0 is not above 0"),
    ({"eval_share": float("nan")}, "eval_share: nan is not above 0"),
    ({"eval_share": 0.01}, "the corpus is empty: .* split eval.*100th"),
    ({"train_path": "nowhere/*"}, "'nowhere/.*' matches no file"),
    (
      {"source": "text_files", "eval_path": __file__, "tagger": "gold"},
      "has no gold tags",
    ),
  ],
)
def test_bad_arguments_name_themselves(arguments, tmp_path, changes, message):
  with pytest.raises(errors.InputError, match=message):
    preparation.prepare(str(tmp_path / "data"), **arguments | changes)
  assert not (tmp_path / "data/dataset.json").exists()


def test_an_empty_corpus_names_itself(arguments, tmp_path):
  (tmp_path / "train.conllu").write_text("\n# nothing\n\n")
  with pytest.raises(errors.InputError, match="the corpus is empty.* 0 docum"):
    preparation.prepare(str(tmp_path / "data"), **arguments)


def test_a_folder_that_cannot_be_written_names_itself(arguments, tmp_path):
  (tmp_path / "file").write_text("in the way")
  for path in (tmp_path / "file/data", "/proc/data"):
    with pytest.raises(errors.InputError, match=f"data_dir: {path} cannot be"):
      preparation.prepare(str(path), **arguments)


def test_a_full_disk_names_the_folder(arguments, tmp_path, monkeypatch):
  def write(*_):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(shards, "write_shard", write)
  with pytest.raises(
    errors.InputError, match=r"data cannot be .*No space left"
  ):
    preparation.prepare(str(tmp_path / "data"), **arguments)
