"""Downstream tasks: suites with K = 1 and a metric, trained by train/."""
