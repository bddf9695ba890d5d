"""Bad input, and the codes that programs exit with."""

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
