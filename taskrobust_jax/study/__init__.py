"""The study: what is run, by which calls of programs, and who runs them.

What came of it is told by `report/evidence_page.py`, from files of lines.
"""
