"""Helpers for config files: what stands after the colon of `--config`.

--config=configs/x.py:strategy=mirror_ascent,step_size=0.05
--config=configs/x.py:ordinary
"""

import ast
import difflib
import inspect
import re
from typing import Any

from ml_collections import ConfigDict

from taskrobust_jax import minimax
from taskrobust_jax.errors import InputError


def parse(
  text: str, strategy: str, arguments: dict[str, Any], **options: Any
) -> tuple[ConfigDict, ConfigDict]:
  """Reads the argument string of a config file.

  Args:
    text: `name=value` pairs, separated by commas; a bare name is `name=True`.
      Values are Python literals, or else text.
    strategy: The config's own choice.
    arguments: The config's own arguments for that strategy; they are dropped
      if `text` names another one.
    **options: Further names the config understands, with their defaults.

  Returns:
    (options, minimax): the options as set, and the section `config.minimax`
    with `strategy`, `order` and every argument of the strategy's signature.

  Raises:
    InputError: For an unknown name, a strategy without a required argument, or
      text that is not of this form.
  """
  given = {}
  # Split at commas that stand outside of brackets.
  for part in re.split(r",(?![^()\[\]]*[)\]])", text) if text else ():
    name, has_value, value = part.partition("=")
    if not name.strip().isidentifier() or name.strip() in given:
      raise InputError(
        f"config argument {part!r} of {text!r} must be name=value, each name "
        "once"
      )
    given[name.strip()] = _literal(value) if has_value else True

  chosen = given.pop("strategy", strategy)
  try:
    signature = minimax.signature(chosen)
  except ValueError as error:
    raise InputError(str(error)) from error
  section = {"strategy": chosen, "order": "alternating", **signature}
  if chosen == strategy:
    section |= arguments
  legal = {"strategy", *section, *options}
  for name, value in given.items():
    if name not in legal:
      close = difflib.get_close_matches(name, legal, n=1)
      hint = f"; did you mean {close[0]!r}?" if close else "."
      raise InputError(
        f"unknown config argument {name!r}{hint} Legal with strategy {chosen}: "
        f"{', '.join(sorted(legal))}"
      )
    (options if name in options else section)[name] = value
  for name, value in section.items():
    if value is inspect.Parameter.empty:
      raise InputError(
        f"strategy {chosen} needs {name}; write :strategy={chosen},{name}=..."
      )
  return ConfigDict(options), ConfigDict(section)


def make_weighting(section: ConfigDict) -> minimax.TaskWeighting:
  """Makes the strategy that a section `config.minimax` describes.

  Raises:
    InputError: For an unknown strategy, one changed without its arguments, or
      an argument out of range.
  """
  arguments = section.to_dict()
  name = arguments.pop("strategy")
  arguments.pop("order")
  try:
    legal = minimax.signature(name)
    if set(arguments) != set(legal):
      raise InputError(
        f"minimax.strategy is {name!r}, which takes "
        f"{', '.join(legal) or 'no arguments'}, but the config holds "
        f"{', '.join(arguments) or 'none'}; change a strategy by "
        f"--config=FILE:strategy={name}"
      )
    return minimax.make(name, **arguments)
  except ValueError as error:
    raise InputError(f"minimax: {error}") from error


def _literal(text: str) -> Any:
  try:
    return ast.literal_eval(text.strip())
  except (ValueError, SyntaxError):
    return text.strip()
