"""The tour in CONTRIBUTING.md leads to what is there."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
FILE = re.compile(r"`([\w/]+\.(?:py|ipynb))(?::(\w+))?`")


def test_every_stop_of_the_tour_is_there():
  text = (ROOT / "CONTRIBUTING.md").read_text()
  stops = FILE.findall(text.split("\n## A tour\n")[1])
  assert len(stops) >= 30
  for file, name in stops:
    places = [ROOT / "taskrobust_jax" / file, ROOT / file]
    found = [place for place in places if place.is_file()]
    assert found, file
    if name:
      pattern = rf"^ *(def|class) {name}\b|^{name}\b.* = "
      assert re.search(pattern, found[0].read_text(), re.M), (file, name)
