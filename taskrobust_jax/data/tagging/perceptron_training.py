"""Trains the averaged perceptron offline from gold universal tags."""

from collections.abc import Iterator
import json
import os
import random
import tempfile
import time

import numpy as np

from taskrobust_jax import errors, files
from taskrobust_jax.data.tagging import part_of_speech, perceptron
from taskrobust_jax.data.text import sources

# On UD English EWT ten passes find .940 of the development words' tags, five
# (NLTK's default) .938.
PASSES = 10

Sentence = list[tuple[str, str]]


def train(train_path: str, eval_path: str, out: str) -> float | None:
  """Trains a tagger by NLTK's `PerceptronTagger` and stores it as JSON.

  The order of training is drawn from a fixed seed: equal files and an equal
  version of NLTK give equal bytes.

  Args:
    train_path: glob of CoNLL-U files.
    eval_path: glob of held-out CoNLL-U files, whose accuracy a group is
      printed; empty for none.
    out: the JSON file to write, which may not exist.

  Returns:
    The share of held-out gold words whose tag is found, or None.

  Raises:
    InputError: a path without files, bad CoNLL-U, or a file in the way.
  """
  out = os.path.abspath(os.path.expanduser(out))
  if os.path.exists(out):
    raise errors.InputError(f"tagger_path: {out} exists; give a new name")
  # Before the minutes of training.
  if eval_path:
    sources.find_files("conllu", eval_path)
  try:
    os.makedirs(os.path.dirname(out), exist_ok=True)
    with tempfile.TemporaryFile(dir=os.path.dirname(out)):
      pass
  except OSError as error:
    raise errors.InputError(
      f"tagger_path: {out} cannot be written: {error}"
    ) from error
  sentences = list(read_sentences(train_path))
  if not sentences:
    raise errors.InputError(f"train_tagger: {train_path!r} has 0 sentences")
  # Four seconds: hence not at the top.
  from nltk.tag.perceptron import PerceptronTagger

  begin = time.perf_counter()
  tagger = PerceptronTagger(load=False)
  state = random.getstate()  # NLTK shuffles by the global generator.
  try:
    random.seed(0)
    tagger.train(sentences, nr_iter=PASSES)
  finally:
    random.setstate(state)
  data = {
    "classes": sorted(tagger.classes),
    "tagdict": tagger.tagdict,
    "weights": {f: row for f, row in tagger.model.weights.items() if row},
  }
  try:
    files.write_whole(out, json.dumps(data, sort_keys=True, indent=0))
  except OSError as error:
    raise errors.InputError(
      f"tagger_path: {out} cannot be written: {error}"
    ) from error
  seconds = time.perf_counter() - begin
  print(f"trained on {len(sentences):,} sentences in {seconds:.0f} s")
  print(f"wrote {out}")
  return accuracy(out, eval_path) if eval_path else None


def accuracy(tagger_path: str, eval_path: str) -> float:
  """Prints how a stored tagger stands against gold tags.

  Twice: with the gold words, and with words as they are split in training.

  Returns:
    The share of the gold words whose tag is found, given the words.
  """
  tagger = perceptron.Perceptron(tagger_path)
  size = len(part_of_speech.TAG_NAMES)
  given = np.zeros((size, size), np.int64)
  for sentence in read_sentences(eval_path):
    forms, gold = zip(*sentence, strict=True)
    ids = [part_of_speech.TAG_IDS[name] for name in gold]
    np.add.at(given, (ids, tagger.tag_sentences([forms])), 1)
  if not given.sum():
    raise errors.InputError(f"eval_path: {eval_path!r} has 0 words")
  found = np.zeros((size, size), np.int64)
  for document in sources.read("conllu", eval_path):
    found += part_of_speech.confusion(document, *tagger.tag(document))
  print(f"\nheld-out gold words, {eval_path}")
  print(part_of_speech.agreement_table(given))
  print("\nthe same, words split as in training")
  print(part_of_speech.agreement_table(found))
  return float(np.trace(given) / given.sum())


def read_sentences(path: str) -> Iterator[Sentence]:
  """Yields the (word, tag) pairs of every sentence of CoNLL-U files."""
  for document in sources.read("conllu", path):
    sentence, last = [], 0
    for (start, end), tag in zip(document.words, document.tags, strict=True):
      if sentence and "\n" in document.text[last:start]:
        yield sentence
        sentence = []
      # As the words are when the tagger sees them.
      form = document.text[start:end].replace("’", "'")
      sentence.append((form, tag))
      last = end
    if sentence:
      yield sentence
