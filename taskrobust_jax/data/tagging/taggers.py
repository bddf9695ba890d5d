"""The taggers by name; `tagger.py` says how to add one."""

from taskrobust_jax import errors
from taskrobust_jax.data.tagging import (
  entities,
  instances,
  part_of_speech,
  perceptron,
  quantiles,
  tagger,
)

TAGGERS: dict[str, type[tagger.Tagger]] = {
  "perceptron": perceptron.Perceptron,
  "pattern": part_of_speech.Pattern,
  "gold": part_of_speech.Gold,
  "named_entity": entities.NamedEntity,
  "word_frequency": quantiles.WordFrequency,
  "sentence_length": quantiles.SentenceLength,
  "domain": instances.Domain,
  "tfidf_cluster": instances.TfidfCluster,
}
# These give all words of a document one tag.
OF_DOCUMENTS = ("domain", "tfidf_cluster")


def make(name: str, path: str = "") -> tagger.Tagger:
  """Makes a tagger.

  Args:
    name: a key of `TAGGERS`, and :NUMBER of tags for those that are `Numbered`
      (4 if it is left out).
    path: the file it reads, for those that read one.

  Raises:
    InputError: an unknown name, or a number or path that does not fit the
      tagger.
  """
  kind, arguments = check(name)
  return kind(path, *arguments)


def full_name(name: str) -> str:
  """The name with the number of tags that goes without saying."""
  kind = TAGGERS.get(name)
  if kind is None or not issubclass(kind, tagger.Numbered):
    return name
  return f"{name}:{kind.DEFAULT_NUM_TAGS}"


def check(name: str) -> tuple[type[tagger.Tagger], tuple[int, ...]]:
  """The class of a tagger's name, and the number in it if there is one.

  Raises:
    InputError: as `make`, whatever the path.
  """
  name, has_number, number = str(name).partition(":")
  if name not in TAGGERS:
    raise errors.InputError(
      f"tagger: {name!r} is not one of {', '.join(TAGGERS)}"
      f"{errors.did_you_mean(name, TAGGERS)}"
    )
  if not has_number:
    return TAGGERS[name], ()
  if not issubclass(TAGGERS[name], tagger.Numbered):
    raise errors.InputError(f"tagger: {name!r} takes no number, got {number!r}")
  if not number.isdecimal():
    raise errors.InputError(
      f"tagger: {name}:NUMBER takes a whole number, got {number!r}"
    )
  return TAGGERS[name], (int(number),)
