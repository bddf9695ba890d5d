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


def intervals(text):
  """Those of a text, `.8 (.7, .9)` with three digits, as tables write them."""
  return [
    "{} [{}, {}]".format(
      *(
        f"{sign}{whole or 0}{rest}"
        for sign, whole, rest in zip(*[iter(match)] * 3)
      )
    )
    for match in re.findall(rf"{NUMBER} \({NUMBER}, {NUMBER}\)", text)
  ]


def test_intervals_of_the_study_are_those_of_its_tables():
  readme = (ROOT / "README.md").read_text("utf-8")
  section = readme.partition("\n## The study\n")[2].partition("\n## ")[0]
  folder = ROOT / "notebooks/results/study"
  tables = (folder / "tables.md").read_text("utf-8")
  found = intervals(section)
  assert len(found) > 5
  for interval in found:
    assert interval in tables


METHODS = {
  "averaging": "uniform",
  "mirror ascent, raw losses": "mirror_ascent raw",
  "mirror ascent, excess": "mirror_ascent 0.5",
  "its mean weights, fixed": "fixed by ascent",
  "shares of averaging's excess, fixed": "fixed by excess",
}


def cells_of(line):
  return [cell.strip(" *") for cell in line.strip("|").split("|")]


def told_of(method, text):
  """A method's sentence, rows and columns in a page of tables."""
  told, column = [], None
  for line in text.splitlines():
    if not line.startswith("|"):
      column = None
      told += [line] if line.startswith(f"- {method}: ") else []
      continue
    cells = cells_of(line)
    if column is None:
      column = cells.index(method) if method in cells else 0
    told += cells if cells[0] == method else [cells[column]]
  return told


@pytest.mark.parametrize(
  ("number", "comparison"), [(0, "novels"), (1, "novels fine-tuned")]
)
def test_each_method_of_the_study_has_its_own_numbers(number, comparison):
  readme = (ROOT / "README.md").read_text("utf-8")
  section = readme.partition("\n## The study\n")[2].partition("\n## ")[0]
  tables = [x for x in section.split("\n\n") if x.startswith("|")]
  header, _, *rows = map(cells_of, tables[number].splitlines())
  page = (ROOT / "notebooks/results/study/tables.md").read_text("utf-8")
  start = f"\n## {comparison}: comparison"
  part = page.partition(start)[2].partition("\n## ")[0]
  for column, name in enumerate(header[1:], 1):
    told = "\n".join(told_of(METHODS[name], part))
    found = [x for row in rows for x in intervals(row[column])]
    assert len(found) > 1, name
    for interval in found:
      assert interval in told, name
