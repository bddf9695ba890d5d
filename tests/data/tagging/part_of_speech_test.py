"""Spans, tags, and how the pattern tagger stands against gold."""

import numpy as np
import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import part_of_speech
from taskrobust_jax.data.text import conllu, sources
from tests.data import real


def tagged(characters):
  document = sources.Document(characters, "x")
  spans, tags = part_of_speech.Pattern().tag(document)
  names = [part_of_speech.TAG_NAMES[i] for i in tags]
  return [(characters[a:b], n) for (a, b), n in zip(spans, names, strict=True)]


def test_ids_are_fixed_and_groups_share_out_all_tags():
  # Datasets on disk hold these ids: they may never move.
  assert part_of_speech.TAG_NAMES == tuple(
    "_ ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ "
    "SYM VERB X".split()
  )
  grouped = [n for names in part_of_speech.GROUPS.values() for n in names]
  grouped += part_of_speech.OTHER
  assert sorted(grouped) == sorted(conllu.UPOS_TAGS)
  assert set(part_of_speech.PENN_TO_UPOS.values()) < set(conllu.UPOS_TAGS)


def test_pattern_tags_words_contractions_numbers_and_marks():
  assert tagged(
    "They can’t find John's 2 dogs & U.S. maps; it isn't 3.5%!"
  ) == [
    *(("They", "PRON"), ("ca", "AUX"), ("n’t", "PART"), ("find", "VERB")),
    *(("John", "PROPN"), ("'s", "PART"), ("2", "NUM"), ("dogs", "NOUN")),
    *(("&", "CCONJ"), ("U.S.", "PROPN"), ("maps", "NOUN"), (";", "PUNCT")),
    *(("it", "PRON"), ("is", "AUX"), ("n't", "PART"), ("3.5", "NUM")),
    *(("%", "SYM"), ("!", "PUNCT")),
  ]


def test_a_sentences_first_word_is_looked_up_in_lower_case():
  words = tagged("He ran. Gently he hid\nGently he ran.")
  assert [tag for word, tag in words if word == "Gently"] == ["ADV", "ADV"]


def test_gold_takes_the_documents_own():
  document = sources.Document("no dogs", "x", ((0, 2), (3, 7)), ("DET", "NOUN"))
  spans, tags = part_of_speech.Gold().tag(document)
  assert spans.tolist() == [[0, 2], [3, 7]]
  assert tags.tolist() == [6, 8]


def test_confusion_and_its_table():
  document = sources.Document(
    "no dog x", "x", ((0, 2), (3, 6)), ("DET", "NOUN")
  )
  spans, tags = np.array([[0, 1], [1, 8]]), np.array([2, 12])
  counts = part_of_speech.confusion(document, spans, tags)
  assert counts.sum() == 2
  assert counts[6, 2] == counts[8, 12] == 1
  table = part_of_speech.agreement_table(counts).splitlines()
  assert table[1].split() == ["nouns", "1", "1.000", "0.000"]
  assert table[-1].split() == ["all", "2", "0.000"]
  empty = part_of_speech.confusion(document, spans[:0], tags[:0])
  assert empty[6, 0] == empty[8, 0] == 1


@real.needs_ewt
def test_pattern_tagger_agrees_with_gold_as_measured():
  counts = 0
  for document in sources.read("conllu", str(real.EWT / "dev.conllu.gz")):
    spans, tags = part_of_speech.Pattern().tag(document)
    counts = counts + part_of_speech.confusion(document, spans, tags)
  lines = part_of_speech.agreement_table(counts).splitlines()[1:-1]
  found = {line[:16].strip(): float(line.split()[-2]) for line in lines}
  floors = {"nouns": 0.94, "verbs": 0.88, "modifiers": 0.80, "other": 0.95}
  floors["function_words"] = 0.96
  assert all(found[name] >= floor for name, floor in floors.items()), found


def test_bad_input_names_itself():
  with pytest.raises(errors.InputError, match="book:7 has no gold tags"):
    part_of_speech.Gold().tag(sources.Document("a", "book:7"))
  with pytest.raises(errors.InputError, match="tagger_path: 'x', but this"):
    part_of_speech.Gold("x")
