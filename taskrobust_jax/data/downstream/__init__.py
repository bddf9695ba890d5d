"""Labelled texts of downstream tasks, from files."""
