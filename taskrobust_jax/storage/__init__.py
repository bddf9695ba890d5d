"""What lies on disk: checkpoints, weights, rows of metrics, their checks."""
