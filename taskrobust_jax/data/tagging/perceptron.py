"""The averaged perceptron tagger: NLTK's weights, or a file of our own.

The model is that of NLTK's `PerceptronTagger`: a word's tag is the one with the
largest sum of weights over 14 features of the word, its neighbours and the two
tags before it; frequent words of one tag are looked up. The sums are made here,
four times as fast: what depends on words alone is summed once for each word of
the vocabulary, and what depends on tags stands in a table. Weights are summed
as whole numbers, so that every machine finds the same tags.
"""

from collections.abc import Mapping, Sequence
import json
import os
import pathlib
import sys
from typing import Any
import zipfile

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import part_of_speech, tagger
from taskrobust_jax.data.text import conllu, sources, words

NAME = "averaged_perceptron_tagger_eng"  # In NLTK's data.
_PARTS = ("weights", "tagdict", "classes")

_SCALE = 1_000_000  # NLTK rounds weights to three decimals.
_LARGEST_WEIGHT = 100.0  # 14 of them, scaled, stay below 2**31.
_START = ("-START-", "-START2-")
_END = ("-END-", "-END2-")
_CACHED_WORDS = 1 << 16  # Some 25 MB.


class Perceptron(tagger.Tagger):
  """The averaged perceptron with universal or Penn tags.

  Args:
    path: JSON from `perceptron_training.train`, with universal tags; empty for
      NLTK's own weights, whose Penn tags become universal ones.

  Raises:
    InputError: no weights, or a file that holds none.
  """

  tag_names = part_of_speech.TAG_NAMES
  groups = part_of_speech.GROUPS

  def __init__(self, path: str = ""):
    self._path = os.path.abspath(os.path.expanduser(path)) if path else ""
    if self._path and not os.path.isfile(self._path):
      raise errors.InputError(
        f"tagger_path: {self._path} is no file; train one with `python -m "
        f"taskrobust_jax.prepare --train_tagger=CONLLU --tagger_path={path}`"
      )
    self.files = (self._path,) if self._path else _nltk_files()
    self._model = None

  def load(self, state: Mapping[str, Any]) -> None:
    del state
    read = _read_own(self._path) if self._path else _read_nltk(self.files)
    self._model = Model(*read)

  def tag(self, document: sources.Document) -> tuple[np.ndarray, np.ndarray]:
    sentences = list(words.split(document.text))
    forms = [[document.text[a:b] for a, b in s] for s in sentences]
    spans = [span for sentence in sentences for span in sentence]
    return tagger.arrays(spans, self.tag_sentences(forms))

  def tag_sentences(self, sentences: Sequence[Sequence[str]]) -> list[int]:
    """Tag ids of the words of sentences that are split already."""
    if self._model is None:
      self.load({})
    forms = [[w.replace("’", "'") for w in s] for s in sentences]
    found = self._model.tag(forms)
    if self._model.is_universal:
      return [part_of_speech.TAG_IDS[name] for name in found]
    flat = (word for sentence in forms for word in sentence)
    return list(map(part_of_speech.upos_id, flat, found))


class Model:
  """The weights, summed as far as they can be before the tags are known.

  Args:
    weights: feature -> {tag: weight}, as NLTK has them.
    tagdict: word -> tag, for words that are looked up.
    classes: the tags.
  """

  def __init__(
    self,
    weights: Mapping[str, Mapping[str, float]],
    tagdict: Mapping[str, str],
    classes: Sequence[str],
  ):
    # Among equal sums NLTK takes the last tag of the alphabet, `argmax` the
    # first place.
    self._tags = sorted(classes, reverse=True)
    self.is_universal = set(self._tags) <= set(conllu.UPOS_TAGS)
    place = {tag: i for i, tag in enumerate(self._tags)}
    self._looked_up = {word: place[tag] for word, tag in tagdict.items()}
    self._nothing = np.zeros(len(place), np.int32)
    self._rows = {}
    for feature, by_tag in weights.items():
      row = self._nothing.copy()
      for tag, weight in by_tag.items():
        row[place[tag]] = round(weight * _SCALE)
      self._rows[feature] = row
    # By the two tags before; the last two rows stand for a sentence's start.
    names = [*self._tags, *_START]
    one = [self._row(f"i-1 tag {tag}") for tag in names]
    two = [self._row(f"i-2 tag {tag}") for tag in names]
    self._pairs = [
      [
        one[i] + two[j] + self._row(f"i tag+i-2 tag {before} {far}")
        for j, far in enumerate(names)
      ]
      for i, before in enumerate(names)
    ]
    self._with_tag = self._read_pairs("i-1 tag+i word ", place)
    self._forget()

  def tag(self, sentences: Sequence[Sequence[str]]) -> list[str]:
    """The tags of all words, one sentence after another."""
    if len(self._numbers) > _CACHED_WORDS:
      self._forget()
    # Two words of context on both sides keep sentences apart.
    places = np.array(
      [
        self._number(word)
        for sentence in sentences
        for word in (*_START, *sentence, *_END)
      ],
      np.int64,
    )
    table, last = self._table, len(places)
    sums = sum(
      table[places[2 + shift : last - 2 + shift], part]
      for part, shift in enumerate((0, -1, -2, 1, 2))
    )
    found, first = [], 0
    for sentence in sentences:
      # NLTK calls the tag before the first word -START-, and the one before
      # that -START2-.
      before, far = len(self._tags), len(self._tags) + 1
      for word, row in zip(sentence, sums[first:], strict=False):
        tag = self._looked_up.get(word)
        if tag is None:
          row = row + self._pairs[before][far]
          added = self._with_tag.get((before, _normal(word)))
          tag = int((row if added is None else row + added).argmax())
        found.append(tag)
        far, before = before, tag
      first += len(sentence) + len(_START) + len(_END)
    return [self._tags[i] for i in found]

  def _row(self, feature: str) -> np.ndarray:
    return self._rows.get(feature, self._nothing)

  def _read_pairs(self, prefix, place):
    """{(tag before, word): row} of the features that name both."""
    places = place | {name: len(place) + i for i, name in enumerate(_START)}
    pairs = {}
    for feature, row in self._rows.items():
      if feature.startswith(prefix):
        tag, _, word = feature[len(prefix) :].partition(" ")
        if tag in places:
          pairs[places[tag], word] = row
    return pairs

  def _forget(self) -> None:
    """Empties what is kept for each word."""
    self._numbers = {}
    self._table = np.zeros((256, 5, len(self._tags)), np.int32)

  def _number(self, word: str) -> int:
    """A word's place in the table, which is filled as words are seen."""
    number = self._numbers.get(word)
    if number is None:
      number = self._numbers[word] = len(self._numbers)
      if number == len(self._table):
        self._table = np.concatenate([self._table, np.zeros_like(self._table)])
      self._table[number] = self._sums(word)
    return number

  def _sums(self, word: str) -> list[np.ndarray]:
    """What a word adds as itself, before (1, 2) and after (1, 2) a word."""
    form = word if word in _START + _END else _normal(word)
    row, end = self._row, form[-3:]
    return [
      row("bias")
      + row(f"i suffix {word[-3:]}")
      + row(f"i pref1 {word[:1]}")
      + row(f"i word {form}"),
      row(f"i-1 word {form}") + row(f"i-1 suffix {end}"),
      row(f"i-2 word {form}"),
      row(f"i+1 word {form}") + row(f"i+1 suffix {end}"),
      row(f"i+2 word {form}"),
    ]


def _normal(word: str) -> str:
  """A word as the features have it."""
  if "-" in word and word[0] != "-":
    return "!HYPHEN"
  if word.isdigit() and len(word) == 4:
    return "!YEAR"
  return "!DIGITS" if word[:1].isdigit() else word.lower()


def nltk_folders() -> list[str]:
  """Where NLTK looks for its data; `import nltk` itself takes four seconds."""
  folders = [f for f in os.environ.get("NLTK_DATA", "").split(os.pathsep) if f]
  folders += ["~/nltk_data"]
  folders += [
    os.path.join(sys.prefix, *parts, "nltk_data")
    for parts in ((), ("share",), ("lib",))
  ]
  folders += [
    f"/usr/{part}nltk_data" for part in ("share/", "local/share/", "lib/")
  ]
  folders += ["/usr/local/lib/nltk_data"]
  return [os.path.expanduser(folder) for folder in folders]


def _nltk_files() -> tuple[str, ...]:
  """NLTK's three files, or its zip; InputError where there is neither."""
  for folder in nltk_folders():
    base = os.path.join(folder, "taggers", NAME)
    files = [os.path.join(base, f"{NAME}.{part}.json") for part in _PARTS]
    if all(map(os.path.isfile, files)):
      return tuple(files)
    if os.path.isfile(base + ".zip"):
      return (base + ".zip",)
  raise errors.InputError(
    f"tagger: 'perceptron' finds no weights: tagger_path is empty, and no "
    f"taggers/{NAME} stands in {', '.join(nltk_folders())}. Either download "
    f"them once (`python -m nltk.downloader {NAME}`), or train a tagger "
    "offline from gold tags (`python -m taskrobust_jax.prepare "
    "--train_tagger='TREEBANK/*train*.conllu.gz' --tagger_path=tagger.json`) "
    "and set --config.data.tagger_path=tagger.json"
  )


def _read_nltk(files: Sequence[str]):
  try:
    if len(files) == 1:
      with zipfile.ZipFile(files[0]) as archive:
        texts = [archive.read(f"{NAME}/{NAME}.{x}.json") for x in _PARTS]
    else:
      texts = [pathlib.Path(file).read_bytes() for file in files]
    values = [json.loads(text) for text in texts]
  except (
    *(OSError, ValueError, KeyError, RecursionError),
    zipfile.BadZipFile,
  ) as error:
    raise errors.InputError(
      f"{files[0]} is not NLTK's {NAME}: {error}; download it again "
      f"(`python -m nltk.downloader {NAME}`)"
    ) from error
  return _checked(files[0], values)


def _read_own(file: str):
  try:
    with open(file, encoding="utf-8") as stream:
      data = json.load(stream)
    values = [data[part] for part in _PARTS]
  except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
    raise errors.InputError(
      f"tagger_path: {file} is no tagger of `prepare --train_tagger`: "
      f"{type(error).__name__}: {error}"
    ) from error
  return _checked(file, values, "tagger_path: ")


def _checked(file: str, values: Sequence[Any], what: str = ""):
  """(weights, tagdict, classes) if that is what they are."""
  weights, tagdict, classes = values
  legal = set(conllu.UPOS_TAGS) | set(part_of_speech.PENN_TO_UPOS)
  legal |= {"-LRB-", "-RRB-", "-NONE-"}
  try:
    tags = set(classes)
    is_fine = (
      bool(tags)
      and tags <= legal
      and set(tagdict.values()) <= tags
      and all(set(row) <= tags for row in weights.values())
      and all(
        abs(weight) <= _LARGEST_WEIGHT
        for row in weights.values()
        for weight in row.values()
      )
    )
  except (AttributeError, TypeError):
    is_fine = False
  if not is_fine:
    raise errors.InputError(
      f"{what}{file} holds no weights of a tagger with universal or "
      f"Penn tags, each at most {_LARGEST_WEIGHT:g} in size"
    )
  return weights, tagdict, classes
