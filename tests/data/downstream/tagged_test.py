"""Tagged sentences, one by one, whatever documents they are of."""

import pytest

from taskrobust_jax.data.downstream import tagged
from taskrobust_jax.data.text import conllu
from taskrobust_jax.errors import InputError

LINE = "{}\t{}\t_\t{}\t_\t_\t_\t_\t_\t{}\n"
TEXT = (
  "# newdoc id = one\n"
  + LINE.format(1, "Dogs", "NOUN", "_")
  + LINE.format(2, "ran", "VERB", "SpaceAfter=No")
  + LINE.format(3, ".", "PUNCT", "_")
  + "\n"
  + "1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_\n"
  + LINE.format(1, "do", "AUX", "_")
  + LINE.format(2, "n't", "PART", "_")
  + "\n"
)


def test_each_sentence_is_one(tmp_path):
  file = tmp_path / "train.conllu"
  file.write_text(TEXT)
  found = tagged.read(str(file))
  assert found.words == (("Dogs", "ran", "."), ("do", "n't"))
  names = [[conllu.UPOS_TAGS[tag] for tag in tags] for tags in found.tags]
  assert names == [["NOUN", "VERB", "PUNCT"], ["AUX", "PART"]]


def test_what_is_wrong_is_named_with_its_line(tmp_path):
  file = tmp_path / "train.conllu"
  file.write_text("# newdoc\n" + LINE.format(1, "Dogs", "NOUNS", "_"))
  with pytest.raises(InputError, match="train.conllu:2: column 4 is 'NOUNS'"):
    tagged.read(str(file))
  file.write_text("# nothing\n")
  with pytest.raises(InputError, match="train.conllu: has no sentences"):
    tagged.read(str(file))
