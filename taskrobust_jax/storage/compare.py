"""What differs between two JSON values, for messages."""

from typing import Any


def differences(there: Any, here: Any, name: str = "") -> list[str]:
  """What differs between two JSON values, a line each."""
  if not (isinstance(there, dict) and isinstance(here, dict)):
    return [] if there == here else [f"{name} is {there!r}, not {here!r}"]
  return [
    line
    for key in sorted(there.keys() | here.keys())
    for line in differences(
      there.get(key), here.get(key), f"{name}.{key}" if name else key
    )
  ]
