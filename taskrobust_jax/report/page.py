"""A report as sections of text, tables and pictures: HTML, Markdown."""

import base64
from collections.abc import Sequence
import dataclasses
import html
import io
import pathlib
from typing import Any

from taskrobust_jax.report.tables import Table


@dataclasses.dataclass(frozen=True)
class Picture:
  """A picture.

  Attributes:
    figure: A Matplotlib figure.
    name: Its file's name, without the ending.
    caption: What it shows.
  """

  figure: Any
  name: str
  caption: str


@dataclasses.dataclass(frozen=True)
class Note:
  """Lines that stand out: what to mind."""

  lines: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of the page.

  Attributes:
    title: Its heading.
    blocks: Paragraphs (text), lists (of texts), tables, pictures, notes.
  """

  title: str
  blocks: Sequence[str | list[str] | Table | Picture | Note]


def answer(title: str, text: str, figure: Any) -> Section:
  """A question, a sentence that answers it, and its picture."""
  letters = "".join(c if c.isalnum() else "_" for c in title.lower())
  return Section(title, [text, Picture(figure, letters.strip("_"), title)])


def write_page(
  title: str, sections: Sequence[Section], folder: pathlib.Path
) -> list[pathlib.Path]:
  """Writes report.html, which needs no other file, report.md and its PNGs.

  Returns:
    The files.
  """
  files = []
  for section in sections:
    for block in section.blocks:
      if isinstance(block, Picture):
        files.append(folder / f"{block.name}.png")
        block.figure.savefig(files[-1])
  for name, text in (
    ("report.md", as_markdown(title, sections)),
    ("report.html", as_html(title, sections)),
  ):
    files.append(folder / name)
    files[-1].write_text(text, encoding="utf-8")
  return files


def as_html(title: str, sections: Sequence[Section]) -> str:
  """One file: style and pictures stand in it, nothing is run or fetched."""
  body = [f"<h1>{html.escape(title)}</h1>"]
  for section in sections:
    body.append(f"<section><h2>{html.escape(section.title)}</h2>")
    body.extend(_html(block) for block in section.blocks)
    body.append("</section>")
  return _FRAME.format(
    title=html.escape(title), style=_STYLE, body="\n".join(body)
  )


def as_markdown(title: str, sections: Sequence[Section]) -> str:
  """The same in Markdown, with pictures as PNG files beside it."""
  parts = [f"# {title}"]
  for section in sections:
    parts.append(f"## {section.title}")
    parts.extend(_markdown(block) for block in section.blocks)
  return "\n\n".join(parts) + "\n"


def _html(block) -> str:
  if isinstance(block, str):
    return f"<p>{html.escape(block)}</p>"
  if isinstance(block, list):
    return f"<ul>{_items(block)}</ul>"
  if isinstance(block, Note):
    return f'<ul class="note">{_items(block.lines)}</ul>'
  if isinstance(block, Picture):
    caption = html.escape(block.caption)
    image = base64.b64encode(_svg(block.figure)).decode()
    return (
      f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{image}">'
      f"<figcaption>{caption}</figcaption></figure>"
    )
  rows = []
  is_after_rule = False
  for cells, best in zip(block.rows, block.best, strict=True):
    if not cells:
      is_after_rule = True
      continue
    columns = [
      f'<td class="best">{html.escape(cell)}</td>'
      if column in best
      else f"<td>{html.escape(cell)}</td>"
      for column, cell in enumerate(cells)
    ]
    attribute = ' class="rule"' if is_after_rule else ""
    rows.append(f"<tr{attribute}>{''.join(columns)}</tr>")
    is_after_rule = False
  header = "".join(f"<th>{html.escape(cell)}</th>" for cell in block.header)
  return (
    f'<div class="table"><table><caption>{html.escape(block.title)}</caption>'
    f"<thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody>"
    "</table></div>"
  )


def _items(lines) -> str:
  return "".join(f"<li>{html.escape(line)}</li>" for line in lines)


def _svg(figure) -> bytes:
  import matplotlib

  stream = io.BytesIO()
  # Text stays text, and the same figure gives the same bytes.
  options = {"svg.fonttype": "none", "svg.hashsalt": "report"}
  with matplotlib.rc_context(options):
    figure.savefig(stream, format="svg", metadata={"Date": None})
  return stream.getvalue()


def _markdown(block) -> str:
  if isinstance(block, str):
    return block
  if isinstance(block, Picture):
    return f"![{block.caption}]({block.name}.png)"
  if isinstance(block, list):
    return "\n".join(f"- {line}" for line in block)
  if isinstance(block, Note):
    return "\n".join(f"> - {line}" for line in block.lines)
  lines = [
    block.header,
    ["---", *(["---:"] * (len(block.header) - 1))],
    *(
      [f"**{cell}**" if c in best else cell for c, cell in enumerate(row)]
      for row, best in zip(block.rows, block.best, strict=True)
      if row
    ),
  ]
  lines = [[cell.replace("|", "\\|") for cell in line] for line in lines]
  lines = [f"| {' | '.join(cells)} |" for cells in lines]
  return f"{block.title}\n\n" + "\n".join(lines)


_FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<main>
{body}
</main>
</html>
"""

_STYLE = """
body { margin: 0; background: #fff; color: #222; line-height: 1.5;
  font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2rem 1.5rem 5rem; }
h1 { font-size: 1.7rem; margin: 0 0 1.5rem; }
h2 { font-size: 1.2rem; margin: 3rem 0 .8rem; padding-top: .8rem;
  border-top: 1px solid #ddd; }
p, li { max-width: 46rem; }
li { overflow-wrap: anywhere; }
.note { background: #fdf6e3; border-left: 4px solid #c9962a;
  padding: .7rem 1rem .7rem 2rem; }
.table { overflow-x: auto; margin: 1.2rem 0; }
table { border-collapse: collapse; font-size: .88rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #555; padding-bottom: .5rem; }
th, td { padding: .3rem .8rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0;
  white-space: normal; }
thead th { border-bottom: 1.5px solid #444; vertical-align: bottom;
  white-space: normal; font-weight: 600; }
tbody td { border-bottom: 1px solid #eee; }
tr.rule td { border-top: 1px solid #999; }
td.best { font-weight: 700; }
figure { margin: 1.5rem 0; }
figure img { width: 100%; height: auto; }
figcaption { color: #555; font-size: .88rem; }
"""
