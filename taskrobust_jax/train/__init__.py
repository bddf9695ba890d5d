"""Training: config -> objects -> step -> loop -> a run's folder."""
