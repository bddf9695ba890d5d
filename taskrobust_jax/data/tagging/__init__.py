"""Tags of words: what splits a text into tasks."""
