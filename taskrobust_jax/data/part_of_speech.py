"""Universal part-of-speech tags of a document's words."""

from collections.abc import Iterator
import functools
import re
import unicodedata

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data import conllu, text

TAGGERS = ("pattern", "gold")

UPOS_TAGS = conllu.UPOS_TAGS
# A tag's id is its place here; 0 is no tag: special tokens, padding.
TAG_NAMES = ("_", *UPOS_TAGS)
TAG_IDS = {name: i for i, name in enumerate(TAG_NAMES)}

# The groups of the tables that `prepare` prints, and the tasks of our configs.
# Other tasks are a matter of a run's config, and need no new data.
GROUPS = {
  "nouns": ("NOUN", "PROPN"),
  "verbs": ("VERB", "AUX"),
  "modifiers": ("ADJ", "ADV"),
  "function_words": ("ADP", "DET", "PRON", "CCONJ", "SCONJ", "PART"),
}
# Context: seen, never predicted.
OTHER = ("INTJ", "NUM", "PUNCT", "SYM", "X")

# Penn Treebank -> universal. Where UD splits a Penn tag in two (IN, VB, ...),
# the commoner half stands here, and `_WORDS` tells the other by its words.
PENN_TO_UPOS = {
  **dict.fromkeys(("NN", "NNS"), "NOUN"),
  **dict.fromkeys(("NNP", "NNPS"), "PROPN"),
  **dict.fromkeys(("VB", "VBD", "VBG", "VBN", "VBP", "VBZ"), "VERB"),
  "MD": "AUX",
  **dict.fromkeys(("JJ", "JJR", "JJS", "AFX"), "ADJ"),
  **dict.fromkeys(("RB", "RBR", "RBS", "WRB"), "ADV"),
  **dict.fromkeys(("IN", "RP"), "ADP"),
  **dict.fromkeys(("DT", "PDT"), "DET"),
  **dict.fromkeys(("PRP", "PRP$", "WP", "WP$", "WDT", "EX"), "PRON"),
  "CC": "CCONJ",
  **dict.fromkeys(("TO", "POS"), "PART"),
  "UH": "INTJ",
  "CD": "NUM",
  **dict.fromkeys((*'.,:()"', "''", "``", "HYPH", "NFP"), "PUNCT"),
  **dict.fromkeys(("SYM", "$", "#"), "SYM"),
  **dict.fromkeys(("FW", "LS", "ADD", "GW", "XX"), "X"),
}
_SUBORDINATING = (
  *("although", "because", "if", "lest", "once", "since", "so", "than"),
  *("that", "though", "unless", "whereas", "whether", "while"),
)
_AUXILIARY = (
  *("'m", "'re", "am", "are", "be", "been", "being", "is", "was", "were"),
  *("did", "do", "does"),
)
_WORDS = {
  ("RB", "not"): "PART",
  ("RB", "n't"): "PART",
  **{("IN", word): "SCONJ" for word in _SUBORDINATING},
  **{
    (penn, word): "AUX"
    for penn in ("VB", "VBD", "VBG", "VBN", "VBP", "VBZ")
    for word in _AUXILIARY
  },
}

_WORD = re.compile(
  r"""
    (?P<link>https?://\S*[\w/]|www\.\S*\w|[\w.+-]+@[\w-]+\.[\w.-]*\w)
  | (?P<number>\d+(?:[.,:]\d+)+)
  | (?P<short>(?:[A-Za-z]\.){2,}|(?:Mr|Mrs|Ms|Dr|St|Prof|vs|etc|cf)\.)
  | (?P<stem>[^\W\d_]+(?=n['’]t\b))
  | (?P<clitic>n['’]t\b|['’](?:s|re|ve|ll|d|m)\b)
  | (?P<word>\w+)
  | (?P<marks>(?P<mark>[^\w\s])(?P=mark)*)
  | (?P<line>\n)
  """,
  re.VERBOSE | re.IGNORECASE,
)
_ENDS = frozenset(".!?")
_CLOSERS = frozenset("\"'”’)]")


def tag(document: text.Document, tagger: str) -> tuple[np.ndarray, np.ndarray]:
  """Finds a document's words and their tags.

  Args:
    document: the document.
    tagger: "pattern" is TextBlob's pattern tagger, whose lexicon is part of
      the package: nothing is downloaded. The words are split here, so that
      each has its place in the text. "gold" takes the document's own.

  Returns:
    (spans, tags): the words' character spans, int32 [words, 2], ascending and
    disjoint, and the ids of their tags in `TAG_NAMES`, int32 [words].

  Raises:
    InputError: an unknown tagger, or "gold" for a document without gold tags.

  >>> spans, tags = tag(text.Document("It isn't raining.", "x"), "pattern")
  >>> spans.tolist()
  [[0, 2], [3, 5], [5, 8], [9, 16], [16, 17]]
  >>> [TAG_NAMES[i] for i in tags]
  ['PRON', 'AUX', 'PART', 'VERB', 'PUNCT']
  """
  check_tagger(tagger)
  if tagger == "gold":
    if document.words is None or document.tags is None:
      raise errors.InputError(
        f"tagger: 'gold', but {document.name} has no gold tags; only the "
        "source conllu has them, the tagger 'pattern' needs none"
      )
    return _arrays(document.words, [TAG_IDS[name] for name in document.tags])
  spans, ids = [], []
  for sentence in _sentences(document.text):
    words = [document.text[start:end] for start, end in sentence]
    spans += sentence
    ids += _pattern_ids(words)
  return _arrays(spans, ids)


def check_tagger(tagger: str) -> None:
  """Raises InputError unless there is such a tagger."""
  if tagger not in TAGGERS:
    raise errors.InputError(
      f"tagger: {tagger!r} is not one of {', '.join(TAGGERS)}"
    )


def _arrays(spans, ids) -> tuple[np.ndarray, np.ndarray]:
  return (
    np.array(spans, np.int32).reshape(-1, 2),
    np.array(ids, np.int32),
  )


def _sentences(characters: str) -> Iterator[list[tuple[int, int]]]:
  """Yields the word spans of one sentence after another.

  Sentences matter little to the tagger: it looks a sentence's first word up in
  lower case too. So a wrong guess costs next to nothing.
  """
  sentence, is_over = [], False
  for match in _WORD.finditer(characters):
    first = characters[match.start()]
    is_new_line = match.lastgroup == "line"
    if is_new_line or (is_over and first not in _CLOSERS):
      if sentence:
        yield sentence
      sentence, is_over = [], False
    if not is_new_line:
      sentence.append(match.span())
      is_over = is_over or first in _ENDS
  if sentence:
    yield sentence


@functools.cache
def _find_tags():
  # Imported here since it brings nltk and scipy: four seconds.
  from textblob import en

  return en.parser.find_tags


def _pattern_ids(words: list[str]) -> list[int]:
  # The lexicon writes the apostrophe of "n't" and "'s" in ASCII only.
  words = [word.replace("’", "'") for word in words]
  return [_upos_id(word, penn) for word, penn in _find_tags()(words)]


@functools.lru_cache(1 << 16)
def _upos_id(word: str, penn: str) -> int:
  """One word's tag id from its Penn tag, the lexicon's slips put right."""
  if word == "&":
    name = "CCONJ"
  elif not any(map(str.isalnum, word)):
    # The lexicon takes most marks for nouns, or "'" for a possessive.
    is_symbol = unicodedata.category(word[0]) in ("Sc", "Sm", "So")
    name = "SYM" if is_symbol or word[0] in "%#/" else "PUNCT"
  elif word[0].isdigit() and not any(map(str.isalpha, word)):
    name = "NUM"  # The lexicon has 2 and 4 as prepositions.
  else:
    # "NNP-LOC" is a proper noun that the lexicon's list of entities knows.
    penn = penn.split("-")[0]
    name = _WORDS.get((penn, word.lower())) or PENN_TO_UPOS.get(penn, "X")
  return TAG_IDS[name]


def covering_words(spans: np.ndarray, characters: np.ndarray) -> np.ndarray:
  """Says which word covers each of some characters.

  Args:
    spans: character spans of the words, int32 [words, 2], ascending.
    characters: indices of characters, int [n].

  Returns:
    int64 [n], the index of the covering word, -1 where there is none.
  """
  words = np.searchsorted(spans[:, 0], characters, side="right") - 1
  is_covered = (words >= 0) & (characters < spans[:, 1][words])
  return np.where(is_covered, words, -1)


def confusion(
  document: text.Document, spans: np.ndarray, tags: np.ndarray
) -> np.ndarray:
  """Counts how a tagger's tags stand against a document's gold tags.

  A gold word is compared with the tagger's word that covers its first
  character: so a different split of words counts as it will in training.

  Args:
    document: a document with gold tags.
    spans: the tagger's words, int32 [words, 2].
    tags: their tag ids, int32 [words].

  Returns:
    int64 [18, 18]: words by (gold tag id, the tagger's tag id).
  """
  gold_spans, gold = tag(document, "gold")
  counts = np.zeros((len(TAG_NAMES), len(TAG_NAMES)), np.int64)
  if len(spans):
    words = covering_words(spans, gold_spans[:, 0])
    np.add.at(counts, (gold, np.where(words < 0, 0, tags[words])), 1)
  else:
    np.add.at(counts, (gold, 0), 1)
  return counts


def agreement_table(counts: np.ndarray) -> str:
  """A table of the share of gold words whose group, and tag, are found.

  Args:
    counts: a sum of `confusion`, int [18, 18].

  Returns:
    Lines of text, one a group.
  """
  lines = [
    f"{'gold group':<16}{'words':>10}{'group found':>13}{'tag found':>11}"
  ]
  for group, names in (GROUPS | {"other": OTHER}).items():
    ids = [TAG_IDS[name] for name in names]
    words = max(1, counts[ids].sum())
    in_group = counts[np.ix_(ids, ids)].sum() / words
    same_tag = counts[ids, ids].sum() / words
    lines.append(
      f"{group:<16}{counts[ids].sum():>10,}{in_group:>13.3f}{same_tag:>11.3f}"
    )
  return "\n".join(lines)
