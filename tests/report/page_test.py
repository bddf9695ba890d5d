import html.parser

import pytest

from taskrobust_jax.report import page
from taskrobust_jax.report.figures import new_figure
from taskrobust_jax.report.tables import Table


class _Parser(html.parser.HTMLParser):
  """Checks that elements are closed; collects tags and addresses."""

  def __init__(self):
    super().__init__()
    self.open, self.tags, self.addresses = [], [], []

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    if tag not in ("meta", "img"):
      self.open.append(tag)
    self.addresses += [v for k, v in attrs if k in ("src", "href")]

  def handle_endtag(self, tag):
    assert self.open.pop() == tag


@pytest.fixture
def sections():
  return make()


def make():
  table = Table(
    "Of <two>",
    ["task", "a|b"],
    [["x|y", "1"], [], ["z", "2"]],
    [{1}, set(), set()],
  )
  figure = new_figure(2, 1)
  figure.subplots().plot([0, 1])
  picture = page.Picture(figure, "curve", "A curve.")
  return [
    page.Section("First & last", ["Some <text>.", ["one", "two"], table]),
    page.Section("Pictures", [picture, page.Note(["Mind."])]),
  ]


def test_html_stands_alone(sections):
  text = page.as_html("A & B", sections)
  parser = _Parser()
  parser.feed(text)
  assert parser.open == []
  assert not {"script", "link", "iframe"} & set(parser.tags)
  assert len(parser.addresses) == 1
  assert parser.addresses[0].startswith("data:image/svg+xml;base64,")
  assert "Some &lt;text&gt;." in text
  assert '<td class="best">1</td>' in text
  assert '<tr class="rule"><td>z</td>' in text
  assert page.as_html("A & B", make()) == text


def test_markdown(sections):
  assert (
    page.as_markdown("Title", sections)
    == """\
# Title

## First & last

Some <text>.

- one
- two

Of <two>

| task | a\\|b |
| --- | ---: |
| x\\|y | **1** |
| z | 2 |

## Pictures

![A curve.](curve.png)

> - Mind.
"""
  )


def test_files_are_written(sections, tmp_path):
  files = page.write_page("Title", sections, tmp_path)
  names = ["curve.png", "report.md", "report.html"]
  assert [file.name for file in files] == names
  assert all(file.stat().st_size for file in files)
