"""The text of CoNLL-U files, its words' spans, and bad lines."""

import gzip
import re

import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.text import sources
from tests.data import real

WORD = "{}\t{}\tx\t{}\tX\t_\t0\troot\t_\t{}\n"


def read(folder, content):
  file = folder / "x.conllu"
  file.write_text(content)
  return list(sources.read("conllu", str(file)))


def test_conllu_text_has_ranges_spaces_and_spans(tmp_path):
  lines = ["# sent_id = 1\n", WORD.format("1", "I", "PRON", "_")]
  lines += [WORD.format("2-3", "don't", "_", "SpaceAfter=No")]
  lines += [WORD.format("2", "do", "AUX", "_")]
  lines += [WORD.format("3", "n't", "PART", "_")]
  lines += [WORD.format("3.1", "hidden", "VERB", "_")]
  lines += [WORD.format("4", ",", "PUNCT", "_")]
  lines += [WORD.format("5-6", "du", "_", "_")]
  lines += [WORD.format("5", "de", "ADP", "_")]
  lines += [WORD.format("6", "le", "DET", "_")]
  lines += [WORD.format("7", "End", "NOUN", "Gloss=x|SpaceAfter=No"), "\n"]
  lines += [WORD.format("1", "Two", "NUM", "_")]
  (one, two) = read(tmp_path, "".join(lines))
  assert one.text == "I don't, du End"
  assert [one.text[a:b] for a, b in one.words] == "I|do|n't|,|du|End".split("|")
  assert one.tags == ("PRON", "AUX", "PART", "PUNCT", "ADP", "NOUN")
  assert (two.text, two.words, two.tags) == ("Two", ((0, 3),), ("NUM",))
  assert two.name.endswith("x.conllu:13")


def test_conllu_documents_are_those_marked(tmp_path):
  word = WORD.format("1", "Yes", "INTJ", "SpaceAfter=No")
  content = f"# newdoc id = a\n{word}\n{word}\n# newdoc\n# text = x\n{word}\n"
  documents = read(tmp_path, content)
  assert [d.text for d in documents] == ["Yes\nYes", "Yes"]
  assert documents[0].words == ((0, 3), (4, 7))


@real.needs_ewt
def test_conllu_text_is_the_treebanks_own():
  file = real.EWT / "dev.conllu.gz"
  lines = gzip.open(file, "rt", encoding="utf-8").read().splitlines()
  expected = [x.removeprefix("# text = ") for x in lines if x[:8] == "# text ="]
  documents = list(sources.read("conllu", str(file)))
  seen = [line for d in documents for line in d.text.split("\n")]
  assert seen == [line.strip() for line in expected]
  forms = [x.split("\t")[1] for x in lines if re.match(r"\d+\t", x)]
  assert [d.text[a:b] for d in documents for a, b in d.words] == forms


@pytest.mark.parametrize(
  ("line", "message"),
  [
    ("1\tone\ttwo", "x.conllu:2: 3 columns between tabs; .* has 10"),
    ("1 one one NOUN N _ 0 root _ _", "x.conllu:2: 1 columns"),
    (WORD.format("1", "a", "NOON", "_"), "x.conllu:2: column 4 is 'NOON'"),
    (WORD.format("1", "a", "_", "_"), "x.conllu:2: column 4 is '_'"),
    (WORD.format("one", "a", "NOUN", "_"), "x.conllu:2: column 1 is 'one'"),
    (WORD.format("1-", "a", "NOUN", "_"), "x.conllu:2: column 1 is '1-'"),
  ],
)
def test_bad_lines_name_themselves(tmp_path, line, message):
  with pytest.raises(errors.InputError, match=message):
    read(tmp_path, "# text = a\n" + line)
