"""What stands after the colon of `--config`.

--config=configs/x.py:strategy=mirror_ascent,step_size=0.05
--config=configs/x.py:ordinary
"""

import ast
from collections.abc import Iterator
import inspect
from typing import Any

from ml_collections import ConfigDict

from taskrobust_jax import minimax
from taskrobust_jax.errors import InputError, did_you_mean


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
    with `strategy`, `order` and every argument of the signatures of the
    strategy and its `signal`.

  Raises:
    InputError: For an unknown name, a strategy without a required argument, or
      text that is not of this form.
  """
  given = {}
  for part in _parts(text):
    name, has_value, value = part.partition("=")
    if not name.strip().isidentifier() or name.strip() in given:
      raise InputError(
        f"config argument {part!r} of {text!r} must be name=value, each name "
        "once"
      )
    given[name.strip()] = _literal(value) if has_value else True

  chosen = str(given.pop("strategy", strategy))
  own = arguments if chosen == strategy else {}
  signal = given.get("signal", own.get("signal"))
  try:
    signature = minimax.signature(chosen, signal)
  except ValueError as error:
    raise InputError(str(error)) from error
  # Those of a signal that was changed are dropped.
  own = {name: value for name, value in own.items() if name in signature}
  section = {"strategy": chosen, "order": "alternating", **signature, **own}
  legal = {"strategy", *section, *options}
  for name, value in given.items():
    if name not in legal:
      hint = did_you_mean(name, legal) or "."
      raise InputError(
        f"unknown config argument {name!r}{hint} Legal with strategy {chosen}: "
        f"{', '.join(sorted(legal))}"
      )
    target = options if name in options else section
    # Text such as "false" would count as true, and a bare name as 1.
    is_switch = isinstance(target[name], bool)
    if isinstance(value, bool) != is_switch:
      legal = "True or False" if is_switch else "given as name=value"
      raise InputError(f"config argument {name} must be {legal}, got {value!r}")
    target[name] = value
  for name, value in section.items():
    if value is inspect.Parameter.empty:
      raise InputError(
        f"strategy {chosen} needs {name}; write :strategy={chosen},{name}=..."
      )
  return ConfigDict(options), ConfigDict(section)


def _parts(text: str) -> Iterator[str]:
  """Splits at commas that stand outside of brackets."""
  part, depth = "", 0
  for character in text:
    depth += (character in "([{") - (character in ")]}")
    if character == "," and depth <= 0:
      yield part
      part = ""
    else:
      part += character
  if text:
    yield part


def _literal(text: str) -> Any:
  try:
    return ast.literal_eval(text.strip())
  except (ValueError, SyntaxError):
    return text.strip()
