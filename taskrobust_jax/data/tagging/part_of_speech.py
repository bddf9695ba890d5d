"""Universal part-of-speech tags of a document's words."""

import functools
import unicodedata

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import tagger
from taskrobust_jax.data.text import conllu, sources, words

# A tag's id is its place here; 0 is no tag: special tokens, padding.
TAG_NAMES = (tagger.NO_TAG, *conllu.UPOS_TAGS)
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


class Gold(tagger.Tagger):
  """A document's own gold tags, which the source `conllu` has.

  >>> spans, tags = Gold().tag(sources.Document("no", "x", ((0, 2),), ("DET",)))
  >>> spans.tolist(), [TAG_NAMES[i] for i in tags]
  ([[0, 2]], ['DET'])
  """

  tag_names = TAG_NAMES
  groups = GROUPS

  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    if document.words is None or document.tags is None:
      raise errors.InputError(
        f"tagger: 'gold', but {document.name} has no gold tags; only the "
        "source conllu has them, the taggers 'pattern' and 'perceptron' need "
        "none"
      )
    ids = [TAG_IDS[name] for name in document.tags]
    return tagger.arrays(document.words, ids)


class Pattern(tagger.Tagger):
  """TextBlob's pattern tagger.

  Its lexicon is part of the package: nothing is downloaded. The words are split
  here, so that each has its place in the text.

  >>> spans, tags = Pattern().tag(sources.Document("It isn't raining.", "x"))
  >>> spans.tolist()
  [[0, 2], [3, 5], [5, 8], [9, 16], [16, 17]]
  >>> [TAG_NAMES[i] for i in tags]
  ['PRON', 'AUX', 'PART', 'VERB', 'PUNCT']
  """

  tag_names = TAG_NAMES
  groups = GROUPS

  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    spans, ids = [], []
    for sentence in words.split(document.text):
      # The lexicon writes the apostrophe of "n't" and "'s" in ASCII only.
      forms = [document.text[a:b].replace("’", "'") for a, b in sentence]
      spans += sentence
      ids += [upos_id(word, penn) for word, penn in _find_tags()(forms)]
    return tagger.arrays(spans, ids)


@functools.cache
def _find_tags():
  # Imported here since it brings nltk and scipy: four seconds.
  from textblob import en

  return en.parser.find_tags


@functools.lru_cache(1 << 16)
def upos_id(word: str, penn: str) -> int:
  """One word's tag id from its Penn tag, a lexicon's slips put right."""
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


def confusion(
  document: sources.Document, spans: np.ndarray, tags: np.ndarray
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
  gold_spans, gold = Gold().tag(document)
  counts = np.zeros((len(TAG_NAMES), len(TAG_NAMES)), np.int64)
  found = words.covering(spans, gold_spans[:, 0])
  np.add.at(counts, (gold, np.append(tags, 0)[found]), 1)
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
    total = max(1, counts[ids].sum())
    in_group = counts[np.ix_(ids, ids)].sum() / total
    same_tag = counts[ids, ids].sum() / total
    lines.append(
      f"{group:<16}{counts[ids].sum():>10,}{in_group:>13.3f}{same_tag:>11.3f}"
    )
  total, right = counts.sum(), np.trace(counts)
  lines.append(f"{'all':<16}{total:>10,}{'':>13}{right / max(1, total):>11.3f}")
  return "\n".join(lines)
