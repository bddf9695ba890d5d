"""What the README promises names tests that exist."""

import pathlib
import re

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


def test_the_torture_has_a_script():
  assert (ROOT / "launch/torture.sh").is_file()
