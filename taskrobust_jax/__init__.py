"""Task-robust pre-training: minimise the worst of K pre-training tasks.

Shape letters of docstrings:

  K  tasks
  B  batch (rows over all hosts and tasks)
  L  length of a row in tokens
  D  width of the model
  H  attention heads
  N  patches of an image
  P  values in a patch
  V  vocabulary
  M  predictions a row (masked positions)

A letter that stands for something else says so where it is used.
"""

import os
import signal
import sys


def _interrupted(number, frame):
  """Ends a program while it imports: what it imports may swallow Ctrl-C."""
  del number, frame
  os.write(2, b"interrupted\n")
  os._exit(130)


# Only as `python -m taskrobust_jax.x`, whose name is not known yet. When all is
# imported `program.run` takes over.
_IS_PROGRAM = sys.argv[:1] == ["-m"]
if _IS_PROGRAM and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
  signal.signal(signal.SIGINT, _interrupted)


def load(place):
  """Opens a pre-trained model: see `taskrobust_jax.train.loaded.load`.

  bert = taskrobust_jax.load("runs/quickstart/minimax")
  """
  # Here, so that the package alone imports nothing.
  from taskrobust_jax.train import loaded

  return loaded.load(place)
