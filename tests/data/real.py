"""Where the real data of some tests is: beside the checkout, never in it."""

import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parents[3] / "shared/data"
EWT = FOLDER / "ud_english_ewt"
GLUE = FOLDER / "glue"

needs_ewt = pytest.mark.skipif(not EWT.exists(), reason=f"{EWT} is absent")
needs_glue = pytest.mark.skipif(not GLUE.exists(), reason=f"{GLUE} is absent")
