"""A tagger trained offline: the same bytes each time, and good enough."""

import random

import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import perceptron, perceptron_training
from taskrobust_jax.data.text import sources
from tests import programs
from tests.data import real


@pytest.fixture
def treebank(tmp_path):
  programs.write_treebank(tmp_path / "train.conllu", 3)
  return str(tmp_path / "train.conllu")


def test_training_finds_the_gold_tags_of_what_it_saw(
  treebank, tmp_path, capsys
):
  out = tmp_path / "new/t.json"
  share = perceptron_training.train(treebank, treebank, str(out))
  assert share == 1.0
  printed = capsys.readouterr().out
  nouns = [x.split() for x in printed.splitlines() if x[:5] == "nouns"]
  assert [row[2:] for row in nouns] == [["1.000", "1.000"]] * 2
  assert "words split as in training" in printed
  assert f"wrote {out}" in printed
  again = tmp_path / "again.json"
  assert perceptron_training.train(treebank, "", str(again)) is None
  assert again.read_bytes() == out.read_bytes()
  tagger = perceptron.Perceptron(str(out))
  _, tags = tagger.tag(sources.Document("the dog sings", "x"))
  assert [tagger.tag_names[i] for i in tags] == ["DET", "NOUN", "VERB"]


def test_two_trainings_agree_where_the_order_matters(tmp_path):
  rng = random.Random(0)
  with (tmp_path / "noise.conllu").open("w") as stream:
    for _ in range(40):
      for i in range(1, 8):
        word, tag = rng.choice("abcde"), rng.choice(["NOUN", "VERB", "ADJ"])
        stream.write(f"{i}\t{word}\t_\t{tag}\tX\t_\t0\troot\t_\t_\n")
      stream.write("\n")
  found = set()
  for name in ("a.json", "b.json"):
    random.seed(name)  # The global generator is none of our business,
    before = random.getstate()
    perceptron_training.train(
      str(tmp_path / "noise.conllu"), "", str(tmp_path / name)
    )
    assert random.getstate() == before  # nor do we change it.
    found.add((tmp_path / name).read_bytes())
  assert len(found) == 1


def test_bad_input_names_itself(treebank, tmp_path):
  train = perceptron_training.train
  with pytest.raises(
    errors.InputError, match="train.conllu exists; give a new"
  ):
    train(treebank, "", treebank)
  with pytest.raises(errors.InputError, match="'none' matches no file"):
    train(treebank, "none", str(tmp_path / "t.json"))
  (tmp_path / "empty.conllu").write_text("\n")
  with pytest.raises(errors.InputError, match="empty.conllu' has 0 sentences"):
    train(str(tmp_path / "empty.conllu"), "", str(tmp_path / "t.json"))
  # Before it trains: there is nothing to train from.
  with pytest.raises(errors.InputError, match="cannot be written"):
    train(str(tmp_path / "empty.conllu"), "", "/proc/none/t.json")
  assert not (tmp_path / "t.json").exists()


@pytest.mark.ci
@real.needs_ewt
def test_trained_on_ewt_it_finds_94_percent(tmp_path):
  share = perceptron_training.train(
    str(real.EWT / "train.conllu.gz"),
    str(real.EWT / "dev.conllu.gz"),
    str(tmp_path / "t.json"),
  )
  assert share >= 0.94
