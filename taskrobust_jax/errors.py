"""Bad input, and the codes that programs exit with."""

from collections.abc import Iterable
import difflib

DONE = 0
FAULT = 1
BAD_INPUT = 2
PREEMPTED = 75  # Saved; start it again.
INTERRUPTED = 130


class InputError(ValueError):
  """Bad input: the message names the thing, the value seen, the legal range.

  Programs print the message without a traceback and exit with code 2.
  `minimax` raises plain `ValueError`, since it imports nothing of this package.
  """


def did_you_mean(name: object, legal: Iterable[str]) -> str:
  """The end of a message about an unknown name: a guess at it, or ""."""
  close = difflib.get_close_matches(str(name), legal, n=1)
  return f"; did you mean {close[0]!r}?" if close else ""
