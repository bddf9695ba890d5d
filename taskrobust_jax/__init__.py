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
