r"""Fills [MASK] with a model's words, task by task: what has it learnt?

  python -m taskrobust_jax.fill_mask --workdir=RUN "He sat on the [MASK]."

RUN is the folder of a run on text, FOLDER@STEP for one of its checkpoints, or a
folder that `convert` wrote. The likeliest words (`--tried`) are put into the
place of each [MASK] and tagged there, so that what the model gives to nouns
stands beside what it gives to verbs. Shown are a group's probability, then its
best words with theirs. Nothing is written.
"""

from collections.abc import Mapping, Sequence
import itertools
from typing import NamedTuple

from absl import flags
import jax
import numpy as np

from taskrobust_jax import program
from taskrobust_jax.data.tagging import part_of_speech, perceptron
from taskrobust_jax.data.tagging.tagger import Tagger
from taskrobust_jax.data.text import conllu, sources, vocabulary
from taskrobust_jax.errors import InputError
from taskrobust_jax.train.loaded import Loaded, load

MASK = "[MASK]"
REST = "other"

_WORKDIR = program.define_path("workdir", "The run's folder.")
_TOP = flags.DEFINE_integer("top", 5, "Words shown a task.", lower_bound=1)
_TRIED = flags.DEFINE_integer(
  "tried", 1_000, "Likeliest words that are tagged.", lower_bound=1
)
_TAGGER_PATH = flags.DEFINE_string(
  "tagger_path",
  "",
  "What `prepare --train_tagger` wrote; the pattern tagger if empty.",
)


class Guess(NamedTuple):
  """A word in the place of a mask.

  Attributes:
    word: A piece that is a whole word.
    probability: In [0, 1].
    task: A task's name, or `REST`.
  """

  word: str
  probability: float
  task: str


def main(words: Sequence[str]) -> None:
  """Reads the flags and prints a table for each mask."""
  if len(words) != 1:
    raise InputError(f'one text is needed, in quotes, got {len(words)}: "..."')
  program.cache_compiled()
  loaded = load(_WORKDIR.value)
  groups = groups_of(loaded)
  tagger: Tagger = part_of_speech.Pattern()
  if _TAGGER_PATH.value:
    tagger = perceptron.Perceptron(_TAGGER_PATH.value)
  masks = fill(loaded, words[0], groups, tagger, _TRIED.value)
  print(words[0])
  for guesses in masks:
    print()
    for task in (*groups, REST):
      mine = [guess for guess in guesses if guess.task == task]
      best = "  ".join(
        f"{guess.word} {guess.probability:.3f}" for guess in mine[: _TOP.value]
      )
      print(f"  {task:<16}{sum(g.probability for g in mine):.3f}  {best}")


def groups_of(loaded: Loaded) -> Mapping[str, Sequence[str]]:
  """Task -> tags: the run's own if they are parts of speech, else our four."""
  config = loaded.info["config"] or {}
  groups = config.get("tasks", {}).get("groups", {})
  tags = {tag for group in groups.values() for tag in group}
  own = len(groups) > 1 and tags <= set(conllu.UPOS_TAGS)
  return groups if own else part_of_speech.GROUPS


def fill(
  loaded: Loaded,
  masked: str,
  groups: Mapping[str, Sequence[str]],
  tagger: Tagger,
  num_tried: int,
) -> list[list[Guess]]:
  """What a model puts in the place of each mask.

  Args:
    loaded: A model of text.
    masked: The text, with at least one [MASK].
    groups: Task -> universal tags.
    tagger: Gives universal tags, see `data/tagging/tagger.py`.
    num_tried: How many of the likeliest pieces that are whole words.

  Returns:
    The guesses of each mask, the likeliest first. Masks are predicted together;
    a guess is tagged with the others at their likeliest.

  Raises:
    InputError: If it is no model of text, or the text has no mask or is too
      long.
  """
  if loaded.model.kind != "bert":
    raise InputError(
      f"{loaded.info['workdir']} holds a model of kind {loaded.model.kind!r}; "
      "words are filled in by a bert"
    )
  if MASK not in masked:
    raise InputError(f"the text must hold {MASK}, got {masked!r}")
  words = _predict(loaded, masked, num_tried)
  task_of = {tag: task for task, tags in groups.items() for tag in tags}
  best = [likeliest[0][0] for likeliest in words]
  guesses: list[list[Guess]] = []
  for place, likeliest in enumerate(words):
    before = _filled(masked, best[:place])
    start = before.index(MASK)
    guesses.append([])
    for word, probability in likeliest:
      whole = _filled(before, [word, *best[place + 1 :]])
      task = task_of.get(_tag_at(tagger, whole, start), REST)
      guesses[-1].append(Guess(word, probability, task))
  return guesses


def _predict(
  loaded: Loaded, masked: str, num_tried: int
) -> list[list[tuple[str, float]]]:
  """(word, probability) of the likeliest whole words, for each mask."""
  tokenizer, model = loaded.tokenizer, loaded.model
  ids = vocabulary.special_token_ids(tokenizer, "the tokenizer")
  pieces = tokenizer.encode(masked, add_special_tokens=False).ids
  tokens = np.array([[ids["[CLS]"], *pieces, ids["[SEP]"]]], np.int32)
  longest = model.options["max_length"]
  if tokens.size > longest:
    raise InputError(
      f"the text has {tokens.size - 2} pieces; the model takes up to "
      f"{longest - 2}"
    )
  places = np.flatnonzero(tokens[0] == ids[MASK])[None].astype(np.int32)
  positions = np.arange(tokens.size, dtype=np.int32)[None]
  logits = jax.jit(model.apply)(
    loaded.params, tokens, np.ones_like(tokens), positions, places
  )
  found = []
  for row in np.asarray(jax.nn.softmax(logits[0])):
    order = np.argsort(-row, kind="stable")
    named = ((tokenizer.id_to_token(int(i)), float(row[i])) for i in order)
    whole = (
      (word, p)
      for word, p in named
      if word and not word.startswith("##") and word not in ids
    )
    found.append(list(itertools.islice(whole, num_tried)))
  return found


def _filled(masked: str, words: Sequence[str]) -> str:
  """The text with words in the place of its first masks."""
  for word in words:
    masked = masked.replace(MASK, word, 1)
  return masked


def _tag_at(tagger: Tagger, whole: str, start: int) -> str:
  """The tag of the word that covers a character."""
  spans, tags = tagger.tag(sources.Document(whole, "the text"))
  place = np.searchsorted(spans[:, 0], start, side="right") - 1
  return tagger.tag_names[tags[place]]


if __name__ == "__main__":
  flags.mark_flags_as_required(["workdir"])
  program.run_with_words(main)
