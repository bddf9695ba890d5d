"""The one exception that bad input raises outside `minimax`."""


class InputError(ValueError):
  """Bad input: the message names the thing, the value seen, the legal range.

  Programs print the message without a traceback and exit with code 2.
  `minimax` raises plain `ValueError`, since it imports nothing of this package.
  """
