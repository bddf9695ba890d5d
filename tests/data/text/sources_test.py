"""What the three sources yield, and what they say of bad files."""

import gzip
import lzma

import pytest

from taskrobust_jax import errors
from taskrobust_jax.data.text import sources

WORD = "{}\t{}\tx\t{}\tX\t_\t0\troot\t_\t{}\n"


def write(folder, name, content):
  file = folder / name
  file.write_bytes(content.encode() if isinstance(content, str) else content)
  return str(file)


def read(source, path):
  return list(sources.read(source, str(path)))


def test_python_docs_are_prose_in_a_fixed_order():
  documents = read("python_docs", "")
  assert len(documents) > 500
  names = [document.name.rsplit(":", 1)[0] for document in documents]
  assert names[0] == "pydoc:assert"
  assert names == sorted(names, key=lambda n: (not n.startswith("pydoc:"), n))
  assert not any(name.startswith(("test/", "idlelib/")) for name in names)
  characters = "\n".join(document.text for document in documents)
  assert len(characters) > 1_000_000
  assert ">>>" not in characters
  assert "::=" not in characters
  letters = sum(c.isalpha() or c == " " for c in characters)
  assert letters > 0.9 * len(characters)
  lines = characters.split("\n")
  assert len(lines) == len(set(lines))


def test_text_files_join_paragraphs_to_passages(tmp_path):
  paragraph = "One line of\n  a para-\ngraph.  " + "word word word\n" * 50
  content = "\ufeff" + "\r\n\r\n".join([paragraph] * 7)
  write(tmp_path, "a.txt", content)
  write(tmp_path, "b.txt.gz", gzip.compress(content.encode()))
  write(tmp_path, "c.txt.xz", lzma.compress(content.encode()))
  documents = read("text_files", tmp_path / "*.txt*")
  assert [len(d.text) >= 2_000 for d in documents] == [True, True, False] * 3
  assert len({d.text for d in documents}) == 2
  assert documents[0].text.startswith("One line of a para-graph. word word")
  assert documents[0].text.count("\n") == 2
  assert documents[1].name == f"{tmp_path}/a.txt:163"
  assert documents[0].words is None


def test_text_files_without_blank_lines_give_passages_too(tmp_path):
  write(tmp_path, "long.txt", ("A paragraph a line. " * 20 + "\n") * 20)
  write(
    tmp_path, "short.txt", "Forty characters stand in this one line.\n" * 200
  )
  for name, count in (("long.txt", 3), ("short.txt", 4)):
    documents = read("text_files", tmp_path / name)
    assert len([d for d in documents if len(d.text) >= 2_000]) == count
    assert max(len(d.text) for d in documents) < 2_500


@pytest.mark.parametrize(
  ("source", "path", "message"),
  [
    ("python_doc", "", r"'python_doc' is not one of .*mean 'python_docs'\?"),
    (3, "", "3 is not one of python_docs"),
    ("python_docs", "*.txt", "reads no files; it takes an empty path"),
    ("text_files", "", "path: '' matches no file"),
    ("conllu", "{}/none*.conllu", r"none\*.conllu' matches no file"),
    ("text_files", "{}/books.tar.xz", "is an archive"),
    (
      "text_files",
      "{}/latin.txt",
      "latin.txt: byte 9 .* 0xe9, .* not UTF-8",
    ),
    ("text_files", "{}/cut.txt.gz", "cut.txt.gz: cannot be read"),
    ("text_files", "{}/false.xz", "false.xz: cannot be read"),
    ("conllu", "{}/columns.conllu", "columns.conllu:2: 3 columns.* has 10"),
    ("conllu", "{}/tag.conllu", "tag.conllu:1: column 4 is 'NOON'"),
    ("conllu", "{}/number.conllu", "number.conllu:1: column 1 is 'one'"),
  ],
)
def test_bad_input_names_itself(tmp_path, source, path, message):
  write(tmp_path, "books.tar.xz", b"")
  write(tmp_path, "latin.txt", b"good\ncaf" + b"x\xe9\n")
  write(tmp_path, "cut.txt.gz", gzip.compress(b"word " * 999)[:-9])
  write(tmp_path, "false.xz", "not xz")
  write(tmp_path, "columns.conllu", "# x\n1\tone\ttwo\n")
  write(tmp_path, "tag.conllu", WORD.format("1", "a", "NOON", "_"))
  write(tmp_path, "number.conllu", WORD.format("one", "a", "NOUN", "_"))
  path = path.format(tmp_path) if isinstance(path, str) else path
  with pytest.raises(errors.InputError, match=message):
    list(sources.read(source, path))
