"""CoNLL-U: words with gold tags, put together to a text with spans."""

from collections.abc import Iterable, Iterator
import re

from taskrobust_jax import errors

COLUMNS = 10

# The 17 universal part-of-speech tags (universaldependencies.org/u/pos).
UPOS_TAGS = (
  *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
  *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)

NO_ENTITY = "O"
# In column 10, as Stanza and others write it: ner=B-PER, NE=S-LOC, NER=O.
_ENTITY = re.compile(r"(?:^|\|)(?:ner|ne)=(?:[BIESLU]-)?([^|]+)", re.IGNORECASE)

# First line in the file, text, character spans of the words, their tags, their
# entities' types (None where no word of the text says one).
Text = tuple[
  int,
  str,
  tuple[tuple[int, int], ...],
  tuple[str, ...],
  tuple[str, ...] | None,
]


def documents(file: str, lines: Iterable[str]) -> Iterator[Text]:
  """Puts a file's documents together.

  A document is what stands between two `# newdoc` marks where the file has
  them, else a sentence. A sentence ends in a newline, the last one in none.

  Args:
    file: its name, for error messages.
    lines: its lines.

  Yields:
    The `Text` of every document.

  Raises:
    InputError: a line without 10 columns, with a number that is none, or with
      an unknown tag.
  """
  has_marks, builder = False, _Builder()
  for number, line in enumerate(lines, 1):
    if line.startswith("#"):
      if re.match(r"#\s*newdoc\b", line):
        if builder.words:
          yield builder.document()
        has_marks, builder = True, _Builder()
    elif line.strip():
      builder.add(line.split("\t"), f"{file}:{number}", number)
    else:
      builder.end()
      if builder.words and not has_marks:
        yield builder.document()
        builder = _Builder()
  builder.end()
  if builder.words:
    yield builder.document()


class _Builder:
  """Builds a document's text from the words of its CoNLL-U sentences.

  A multiword token (the range line "19-20 don't" over "do" and "n't") is no
  word itself: its words stand in the text one after another without a space,
  and the range line says whether a space follows the last. Where its words do
  not spell it ("du" over "de" and "le"), the text has the token as written, as
  one word with the first word's tag. Empty nodes (8.1) are left out.
  """

  def __init__(self):
    self.pieces, self.words, self.tags, self.entities = [], [], [], []
    self.size = self.first_line = self.range_end = 0
    self.range_form, self.range_words, self.range_space = "", [], " "
    self.range_entity = None

  def add(self, columns: list[str], place: str, number: int) -> None:
    """Adds one line of 10 columns."""
    if len(columns) != COLUMNS:
      raise errors.InputError(
        f"{place}: {len(columns)} columns between tabs; "
        f"a CoNLL-U line has {COLUMNS}"
      )
    index, form, tag, misc = columns[0], columns[1], columns[3], columns[9]
    kind = re.fullmatch(r"(\d+)(?:([-.])(\d+))?", index)
    if not kind:
      raise errors.InputError(
        f"{place}: column 1 is {index!r}; a word's number is like 3, 3-4 or 3.1"
      )
    self.first_line = self.first_line or number
    space = "" if "SpaceAfter=No" in misc.split("|") else " "
    found = _ENTITY.search(misc)
    entity = found[1] if found else None
    if kind[2] == ".":
      return
    if kind[2] == "-":
      self.range_end, self.range_words = int(kind[3]), []
      self.range_form, self.range_space = form, space
      self.range_entity = entity
      return
    if tag not in UPOS_TAGS:
      raise errors.InputError(
        f"{place}: column 4 is {tag!r}; a universal part-of-speech tag is one "
        f"of {' '.join(UPOS_TAGS)}"
      )
    if int(index) > self.range_end:
      self._write(form, tag, entity, space)
      return
    self.range_words.append((form, tag, entity or self.range_entity))
    if int(index) == self.range_end:
      self._end_range()

  def end(self) -> None:
    """Ends a sentence."""
    self._end_range()
    if self.pieces and self.pieces[-1] != "\n":
      # Whatever SpaceAfter says of a sentence's last word.
      if self.pieces[-1] == " ":
        self.size -= len(self.pieces.pop())
      self.pieces.append("\n")
      self.size += 1

  def document(self) -> Text:
    """The text of all lines added so far."""
    self.end()
    text = "".join(self.pieces[:-1])
    entities = None
    if any(self.entities):
      entities = tuple(entity or NO_ENTITY for entity in self.entities)
    words, tags = tuple(self.words), tuple(self.tags)
    return self.first_line, text, words, tags, entities

  def _end_range(self) -> None:
    forms = [form for form, *_ in self.range_words]
    if forms and "".join(forms) != self.range_form:
      self.range_words = [(self.range_form, *self.range_words[0][1:])]
    for i, (form, tag, entity) in enumerate(self.range_words, 1):
      is_last = i == len(self.range_words)
      self._write(form, tag, entity, self.range_space if is_last else "")
    self.range_end, self.range_words = 0, []

  def _write(self, form: str, tag: str, entity: str | None, space: str) -> None:
    self.words.append((self.size, self.size + len(form)))
    self.tags.append(tag)
    self.entities.append(entity)
    self.pieces += [form, space] if space else [form]
    self.size += len(form) + len(space)
