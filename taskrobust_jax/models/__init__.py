"""Models in Flax NNX, used functionally."""
