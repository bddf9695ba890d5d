"""Tables and figures over run folders. Imports no JAX, reads no checkpoints.

>>> from taskrobust_jax import report
>>> runs = report.read_runs([])
>>> runs
[]
"""

from taskrobust_jax.report.compose import Report, make_report
from taskrobust_jax.report.figures import write_figure
from taskrobust_jax.report.read import Run, read_run, read_runs
from taskrobust_jax.report.tables import as_text, compare

__all__ = [
  "Report",
  "Run",
  "as_text",
  "compare",
  "make_report",
  "read_run",
  "read_runs",
  "write_figure",
]
