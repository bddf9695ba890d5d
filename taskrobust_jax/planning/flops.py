"""Arithmetic of a program, counted from what it says and not by the compiler.

XLA's `cost_analysis` counts the body of a loop once, and so a scan over layers
as one layer.
"""

from collections.abc import Callable, Iterator
import math
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import partial_eval


def count_flops(function: Callable[..., Any], *arguments: Any) -> int:
  """Multiplications and additions in a function's products of matrices.

  A product [m, k] x [k, n] is 2 m k n. All else (norms, softmax, the optimizer)
  is left out: a few per cent in a transformer. What `jax.checkpoint` computes
  again counts again.

  Args:
    function: It is traced, not run.
    *arguments: Arrays or `jax.ShapeDtypeStruct`.

  Returns:
    The number, over all devices.

  Raises:
    ValueError: For a product inside a loop of unknown length.
  """
  jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
  # What no result depends on the compiler leaves out too.
  used, _ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
  return _count(used)


def _count(jaxpr: core.Jaxpr) -> int:
  total = 0
  for equation in jaxpr.eqns:
    name, params = equation.primitive.name, equation.params
    inner = [_count(x) for x in _jaxprs_in(params)]
    if name == "dot_general":
      total += _product(equation)
    elif name == "conv_general_dilated":
      total += _convolution(equation)
    elif name == "scan":
      total += params["length"] * sum(inner)
    elif name == "cond":
      total += max(inner)
    elif name == "while" and sum(inner):
      raise ValueError("a product of matrices in a loop of unknown length")
    else:
      total += sum(inner)
  return total


def _product(equation) -> int:
  left, _ = (x.aval.shape for x in equation.invars)
  (contracted, _), _ = equation.params["dimension_numbers"]
  summed = math.prod(left[axis] for axis in contracted)
  return 2 * math.prod(equation.outvars[0].aval.shape) * summed


def _convolution(equation) -> int:
  kernel = equation.invars[1].aval.shape
  layout = equation.params["dimension_numbers"]
  # All of the kernel but its output channels meets in one value.
  summed = math.prod(kernel) // kernel[layout.rhs_spec[0]]
  return 2 * math.prod(equation.outvars[0].aval.shape) * summed


def _jaxprs_in(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
  for value in params.values():
    for x in value if isinstance(value, tuple | list) else [value]:
      if isinstance(x, core.ClosedJaxpr):
        yield x.jaxpr
      elif isinstance(x, core.Jaxpr):
        yield x
