"""A tagger trained offline: the same bytes each time, and good enough."""

import pytest

from taskrobust_jax import errors
from taskrobust_jax.data import perceptron, perceptron_training, text
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
  _, tags = tagger.tag(text.Document("the dog sings", "x"))
  assert [tagger.tag_names[i] for i in tags] == ["DET", "NOUN", "VERB"]


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
  with pytest.raises(errors.InputError, match="cannot be written"):
    train(treebank, "", "/proc/none/t.json")
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
