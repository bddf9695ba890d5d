"""Task-robust pre-training: minimise the worst of K pre-training tasks.

Shape letters used in every docstring:

  K  tasks
  B  batch (rows over all hosts and tasks)
  L  length of a row in tokens
  D  width of the model
  H  attention heads
  N  patches of an image
  P  values in a patch
  V  vocabulary
  M  predictions a row (masked positions)
"""


def load(place):
  """Opens a pre-trained model: see `taskrobust_jax.train.loaded.load`.

  bert = taskrobust_jax.load("runs/quickstart/minimax")
  """
  # Here, so that the package alone imports nothing.
  from taskrobust_jax.train import loaded

  return loaded.load(place)
