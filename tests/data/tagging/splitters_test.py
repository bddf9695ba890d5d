"""Tags beyond grammar: by frequency, sentence length, source, topic, entity."""

import collections
import json

import numpy as np
import pytest

from taskrobust_jax.data.tagging import taggers
from taskrobust_jax.data.text import sources
from taskrobust_jax.errors import InputError

SHIPS = "The ship left the harbour. Sailors hauled the anchor of the ship."
COURT = "The judge heard the witness. The court and the judge adjourned."


def fitted(name, *texts):
  """A tagger as a worker process has it, and its documents."""
  documents = [
    d if isinstance(d, sources.Document) else sources.Document(d, f"f{i}.txt:1")
    for i, d in enumerate(texts)
  ]
  state = taggers.make(name).fit(lambda: iter(documents))
  tagger = taggers.make(name)
  tagger.load(json.loads(json.dumps(state)))
  return tagger, documents


def tagged(tagger, document):
  """(word, tag) of every word."""
  if isinstance(document, str):
    document = sources.Document(document, "new.txt:1")
  spans, tags = tagger.tag(document)
  assert spans.dtype == tags.dtype == np.int32
  assert spans.shape == (len(tags), 2)
  return [
    (document.text[a:b], tagger.tag_names[tag])
    for (a, b), tag in zip(spans, tags)
  ]


def test_words_are_split_by_how_frequent_they_are():
  words = "a " * 40 + "b " * 25 + "c " * 15 + "d d d d d e f g h i " * 2
  tagger, (document,) = fitted("word_frequency:3", words)
  found = dict(tagged(tagger, document))
  # Where a word begins in the ordered text says its third.
  assert found == {
    "a": "frequency_1",
    "b": "frequency_2",
    **dict.fromkeys("cdefghi", "frequency_3"),
  } | {"c": "frequency_2"}
  assert dict(tagged(tagger, "A unseen"))["A"] == "frequency_1"
  assert dict(tagged(tagger, "A unseen"))["unseen"] == "frequency_3"
  # Only what is not of the last quantile is sent to the workers.
  assert set(tagger._tags) == {"a", "b", "c"}


def test_quantiles_of_frequency_hold_about_equal_shares_of_the_text():
  random = np.random.default_rng(0)
  ranks = np.minimum(random.zipf(1.3, 20_000), 3_000)
  words = " ".join(f"w{'abcdefghij'[r % 10]}{r}" for r in ranks)
  tagger, (document,) = fitted("word_frequency:4", words)
  shares = collections.Counter(tag for _, tag in tagged(tagger, document))
  assert len(shares) == 4
  # The commonest word alone is more than a quarter.
  assert max(shares.values()) < 0.5 * shares.total()
  assert min(shares.values()) > 0.1 * shares.total()


def test_words_are_split_by_the_length_of_their_sentence():
  short, middle, long = "Go on.", "This is a bit more.", "One " * 11 + "end."
  tagger, (document,) = fitted(
    "sentence_length:3", "\n".join([short] * 5 + [middle] * 2 + [long])
  )
  assert tagger.tag_names == (
    "_",
    "1_to_3_words",
    "4_to_6_words",
    "7_words_or_more",
  )
  found = tagged(tagger, document)
  assert found[:3] == [(w, "1_to_3_words") for w in ("Go", "on", ".")]
  assert dict(found)["bit"] == "4_to_6_words"
  assert dict(found)["One"] == "7_words_or_more"


def test_lengths_that_are_alike_give_fewer_quantiles():
  tagger, _ = fitted("sentence_length:4", "Go on.\n" * 9 + "Do come on.")
  assert tagger.tag_names == ("_", "1_to_3_words", "4_words_or_more")
  with pytest.raises(InputError, match="stand in sentences of 3 words"):
    fitted("sentence_length:4", "Go on.\nCome on.")


def test_a_length_that_fills_several_quantiles_leaves_no_slivers():
  # 5 words have 60 % of the text, 6 and 7 about 1 %, 8 the rest.
  lines = ["a b c d."] * 360 + ["a b c d e."] * 5 + ["a b c d e f."] * 4
  tagger, _ = fitted(
    "sentence_length:4", "\n".join([*lines, *["a b c d e f g."] * 140])
  )
  assert tagger.tag_names == ("_", "1_to_5_words", "6_words_or_more")


def test_documents_are_split_by_folder_or_by_file():
  named = lambda name: sources.Document(SHIPS, name)
  sea, law, more = map(
    named, ("x/sea/a.txt:1", "x/law/b.txt:9", "x/sea/c.txt:3")
  )
  tagger, _ = fitted("domain", sea, law, more)
  assert tagger.tag_names == ("_", "law", "sea")
  assert {tag for _, tag in tagged(tagger, more)} == {"sea"}
  assert {tag for _, tag in tagged(tagger, named("x/new/a.txt:1"))} == {"_"}

  one, two = map(named, ("x/first.txt.gz:1", "x/second.txt:7"))
  tagger, _ = fitted("domain", one, two)
  assert tagger.tag_names == ("_", "first", "second")
  assert {tag for _, tag in tagged(tagger, two)} == {"second"}
  with pytest.raises(InputError, match="finds 1 folders or files"):
    fitted("domain", one, one)
  same = named("y/sea/d.txt:1")
  with pytest.raises(InputError, match="x/sea and y/sea have one name"):
    fitted("domain", sea, law, same)


def test_documents_are_split_by_topic():
  texts = [SHIPS, COURT] * 6
  tagger, documents = fitted("tfidf_cluster:2", *texts)
  found = [{tag for _, tag in tagged(tagger, d)} for d in documents]
  assert all(len(tags) == 1 for tags in found)
  ships, court = found[0].pop(), found[1].pop()
  assert ships != court
  assert {tuple(tags) for tags in found[2::2]} == {(ships,)}
  assert {tuple(tags) for tags in found[3::2]} == {(court,)}
  assert "ship" in ships
  assert "judge" in court
  assert (
    dict(tagged(tagger, "An anchor lay in the harbour."))["anchor"] == ships
  )
  again, _ = fitted("tfidf_cluster:2", *texts)
  assert again.tag_names == tagger.tag_names


def test_a_document_is_of_the_nearest_centre_however_long_it_is():
  tagger = taggers.make("tfidf_cluster:2")
  tagger.load(
    {
      "names": ["a", "b"],
      "terms": ["ship", "judge"],
      "idf": [1.0, 2.0],
      "centres": [[0.9, 0.0], [0.3, 0.6]],
    }
  )
  # 3 ships and 1 judge: (3, 2) / sqrt(13) is nearer to b.
  for times in (1, 9):
    text_of = " ".join(["ship ship ship judge"] * times)
    assert dict(tagged(tagger, text_of))["ship"] == "b"


def test_topics_need_documents_and_words():
  with pytest.raises(InputError, match=r"tfidf_cluster:3' needs .* got 2"):
    fitted("tfidf_cluster:3", SHIPS, COURT)
  with pytest.raises(InputError, match="finds no word that is in some"):
    fitted("tfidf_cluster:2", "a b", "c d", "e f")


ENTITIES = """\
1	Ada	_	PROPN	_	_	_	_	_	ner=B-PERSON
2	Byron	_	PROPN	_	_	_	_	_	SpaceAfter=No|ner=E-PERSON
3	,	_	PUNCT	_	_	_	_	_	ner=O
4	born	_	VERB	_	_	_	_	_	_
5	in	_	ADP	_	_	_	_	_	NE=O
6-7	London's	_	_	_	_	_	_	_	ner=S-GPE
6	London	_	PROPN	_	_	_	_	_	_
7	's	_	PART	_	_	_	_	_	_

"""


def test_words_are_split_by_named_entity(tmp_path):
  file = tmp_path / "a.conllu"
  file.write_text(ENTITIES)
  (document,) = sources.read("conllu", str(file))
  tagger, _ = fitted("named_entity", document)
  assert tagger.tag_names == ("_", "O", "GPE", "PERSON")
  assert tagged(tagger, document) == [
    ("Ada", "PERSON"),
    ("Byron", "PERSON"),
    (",", "O"),
    ("born", "O"),
    ("in", "O"),
    ("London", "GPE"),
    ("'s", "GPE"),
  ]


def test_named_entities_must_be_there():
  gold = sources.Document("It is.", "f:1", ((0, 2), (3, 5)), ("PRON", "AUX"))
  with pytest.raises(InputError, match="no training document has entity tags"):
    fitted("named_entity", gold)
  known = sources.Document("Ada", "f:1", ((0, 3),), ("PROPN",), ("PERSON",))
  tagger, _ = fitted("named_entity", known)
  # No annotation in a document, and a type that training has not.
  assert {tag for _, tag in tagged(tagger, gold)} == {"O"}
  other = sources.Document("Ada", "f:1", ((0, 3),), ("PROPN",), ("ORG",))
  assert tagged(tagger, other) == [("Ada", "_")]
  with pytest.raises(InputError, match=r"f0\.txt:1 has no gold words"):
    tagger.tag(sources.Document("Ada", "f0.txt:1"))


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("word_frequency:1", "1 tags are asked for; it makes 2 to 256"),
    ("tfidf_cluster:1000", "1000 tags are asked for"),
    ("sentence_length:x", "NUMBER takes a whole number, got 'x'"),
    ("gold:3", "'gold' takes no number, got '3'"),
    ("word_frequence:3", "did you mean 'word_frequency'"),
  ],
)
def test_a_name_or_number_that_cannot_be_is_refused(name, message):
  with pytest.raises(InputError, match=message):
    taggers.make(name)
