"""The README: its promises name tests, its links and sections are there."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def promises():
  text = (ROOT / "README.md").read_text()
  section = text.split("\n## What is promised\n")[1].split("\n## ")[0]
  rows = [line.strip("|").split("|") for line in section.splitlines()]
  return [row for row in rows if len(row) == 2][2:]


def test_every_promise_names_tests_that_are_there():
  assert len(promises()) >= 15
  for sentence, files in promises():
    named = re.findall(r"`([^`]+)`", files)
    assert named, sentence
    for name in named:
      assert (ROOT / name).is_file(), name
      assert "def " in (ROOT / name).read_text()


@pytest.mark.parametrize(
  "file", ["README.md", "launch/README.md", "notebooks/results/README.md"]
)
def test_links_and_sections_are_there(file):
  text = (ROOT / file).read_text()
  links = re.findall(r"\]\(([^)]+)\)", text)
  assert links or file != "README.md"
  titles = re.findall(r"^#+ (.+)$", text, re.M)
  sections = {f"#{title.lower().replace(' ', '-')}" for title in titles}
  for link in links:
    assert link in sections or (ROOT / file).parent.joinpath(link).is_file()


def test_the_torture_has_a_script():
  assert (ROOT / "launch/torture.sh").is_file()


NUMBER = r"([+-]?)(\d?)(\.\d{3})"


def test_intervals_of_the_study_are_those_of_its_tables():
  readme = (ROOT / "README.md").read_text("utf-8")
  section = readme.partition("\n## The study\n")[2].partition("\n## ")[0]
  folder = ROOT / "notebooks/results/study"
  tables = (folder / "tables.md").read_text("utf-8")
  found = re.findall(rf"{NUMBER} \({NUMBER}, {NUMBER}\)", section)
  assert len(found) > 5
  for match in found:
    value, low, high = (
      f"{sign}{whole or 0}{rest}"
      for sign, whole, rest in zip(*[iter(match)] * 3)
    )
    assert f"{value} [{low}, {high}]" in tables, match
