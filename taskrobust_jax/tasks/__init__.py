"""What is learnt: task suites."""
