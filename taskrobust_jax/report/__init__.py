"""Tables and figures over run folders. Imports no JAX, reads no checkpoints.

>>> from taskrobust_jax import report
>>> runs = report.read_runs([])
>>> runs
[]
"""

from taskrobust_jax.report.figures import write_figure
from taskrobust_jax.report.read import Run, read_run, read_runs
from taskrobust_jax.report.tables import as_markdown, as_text, compare

__all__ = [
  "Run",
  "as_markdown",
  "as_text",
  "compare",
  "read_run",
  "read_runs",
  "write_figure",
]
