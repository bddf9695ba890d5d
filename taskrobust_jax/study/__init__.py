"""The study: what is run, by which calls of programs, and who runs them.

What came of it is told from files of lines by `answers.py`, and in full by
`report/evidence_page.py`.
"""
