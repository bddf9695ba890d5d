"""Checks of values that configs hold."""

from typing import Any

from taskrobust_jax.errors import InputError


def check_count(name: str, value: Any, least: int = 1) -> None:
  """Raises InputError unless a value is a whole number, `least` or more."""
  if not isinstance(value, int) or isinstance(value, bool) or value < least:
    raise InputError(f"{name} must be a whole number >= {least}, got {value!r}")
