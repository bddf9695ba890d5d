"""The taggers by name; `tagging.py` says how to add one."""

import difflib

from taskrobust_jax import errors
from taskrobust_jax.data import part_of_speech, perceptron, tagging

TAGGERS: dict[str, type[tagging.Tagger]] = {
  "perceptron": perceptron.Perceptron,
  "pattern": part_of_speech.Pattern,
  "gold": part_of_speech.Gold,
}


def make(name: str, path: str = "") -> tagging.Tagger:
  """Makes a tagger.

  Args:
    name: a key of `TAGGERS`.
    path: the file it reads, for those that read one.

  Raises:
    InputError: an unknown name, or a path that does not fit the tagger.
  """
  if name not in TAGGERS:
    close = difflib.get_close_matches(str(name), TAGGERS, 1, 0.4)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise errors.InputError(
      f"tagger: {name!r} is not one of {', '.join(TAGGERS)}{hint}"
    )
  return TAGGERS[name](path)
