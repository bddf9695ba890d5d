"""From text to a prepared dataset: read, tag, cut into pieces, pack, write."""

from collections.abc import Iterator
import importlib.metadata
import json
import os
import platform
import time
from typing import Any

from taskrobust_jax import errors
from taskrobust_jax.data import (
  dataset_info,
  packing,
  part_of_speech,
  record_writer,
  text,
  wordpiece,
)

_PACKAGES = ("numpy", "tokenizers", "textblob", "array_record")


def prepare(
  directory: str,
  *,
  source: str,
  train_path: str,
  eval_path: str,
  tagger: str,
  vocabulary_size: int,
  row_length: int,
  eval_share: float,
) -> dataset_info.DatasetInfo:
  """Makes a dataset of packed rows and prints what it holds.

  A folder that holds a complete dataset is left as it is: made from the same
  arguments and files of the same sizes, it is the answer; else it is an error.

  Args:
    directory: the folder to write, made if absent.
    source: one of `text.SOURCES`.
    train_path: glob of the training files; empty for "python_docs".
    eval_path: glob of the held-out files; empty to hold out every n-th document
      of the training files, n = round(1 / eval_share).
    tagger: one of `part_of_speech.TAGGERS`.
    vocabulary_size: pieces of the WordPiece vocabulary, 64 to 1,000,000; it is
      trained on the training split alone.
    row_length: L, 8 to 65,536.
    eval_share: above 0, at most 0.5; unused where there is an eval_path.

  Returns:
    What `dataset.json` says.

  Raises:
    InputError: an argument out of its range, text that cannot be read, a split
      without a document, another dataset in the folder, or a folder that
      cannot be written to.
  """
  arguments = {
    "source": source,
    "train_path": train_path,
    "eval_path": eval_path,
    "tagger": tagger,
    "vocabulary_size": vocabulary_size,
    "row_length": row_length,
    "eval_share": eval_share,
  }
  part_of_speech.check_tagger(tagger)
  wordpiece.check_vocabulary_size(vocabulary_size)
  packing.check_row_length(row_length)
  if not eval_path and not 0 < eval_share <= 0.5:
    raise errors.InputError(
      f"eval_share: {eval_share} is not above 0 and at most 0.5"
    )
  directory = os.path.abspath(os.path.expanduser(directory))
  corpus = _Corpus(source, train_path, eval_path, eval_share)
  if info := dataset_info.read(directory):
    _check_same(directory, info, arguments, corpus.inputs)
    print(f"{directory} is complete and made from these arguments: kept")
    return info
  try:
    return _prepare(directory, corpus, arguments)
  except OSError as error:
    raise errors.InputError(
      f"data_dir: {directory} cannot be written to: {error}"
    ) from error


def _check_same(directory, info, arguments, inputs) -> None:
  """Raises InputError unless a dataset was made from these arguments."""
  # Through JSON as dataset.json went, so that tuples and lists compare equal.
  wanted = json.loads(json.dumps({**arguments, "inputs": inputs}))
  made = {**info.arguments, "inputs": info.inputs}
  for name in wanted:
    if made.get(name) != wanted[name]:
      raise errors.InputError(
        f"data_dir: {directory} holds a dataset made with {name} = "
        f"{made.get(name)!r}, not {wanted[name]!r}; give another folder, or "
        "delete this one"
      )


class _Corpus:
  """The documents of both splits, which can be read more than once."""

  def __init__(
    self, source: str, train_path: str, eval_path: str, eval_share: float
  ):
    self._source, self._train, self._eval = source, train_path, eval_path
    self._every = 0 if eval_path else round(1 / eval_share)
    files = text.find_files(source, train_path)
    if eval_path:
      files += text.find_files(source, eval_path)
    self.inputs = {file: os.path.getsize(file) for file in files}

  def documents(self, split: str) -> Iterator[text.Document]:
    """Yields the documents of a split; those without a word are left out."""
    path = self._eval if self._eval and split == "eval" else self._train
    documents = (d for d in text.read(self._source, path) if d.text.strip())
    if not self._every:
      return documents
    return (
      document
      for i, document in enumerate(documents, 1)
      if (i % self._every == 0) == (split == "eval")
    )

  def check(self) -> None:
    """Raises InputError where a split has no document."""
    for split in dataset_info.SPLITS:
      if next(self.documents(split), None) is None:
        path = self._eval if self._eval and split == "eval" else self._train
        wish = f"; every {self._every}th is held out" if self._every else ""
        raise errors.InputError(
          f"the corpus is empty: source {self._source}, path {path!r} give 0 "
          f"documents for the split {split}, at least 1 is needed{wish}"
        )


class _Tagging:
  """Tags documents on their way through, and counts."""

  def __init__(self, tagger: str):
    self._tagger = tagger
    self.documents = self.words = 0
    self.confusion = None

  def __call__(self, documents):
    for document in documents:
      spans, tags = part_of_speech.tag(document, self._tagger)
      self.documents += 1
      self.words += len(tags)
      if self._tagger != "gold" and document.tags is not None:
        counts = part_of_speech.confusion(document, spans, tags)
        self.confusion = counts + (
          0 if self.confusion is None else self.confusion
        )
      yield document, spans, tags


def _prepare(
  directory: str, corpus: _Corpus, arguments: dict[str, Any]
) -> dataset_info.DatasetInfo:
  corpus.check()
  os.makedirs(directory, exist_ok=True)
  begin = time.perf_counter()
  tokenizer = wordpiece.train(
    lambda: (document.text for document in corpus.documents("train")),
    arguments["vocabulary_size"],
  )
  trained = time.perf_counter()
  row_length = arguments["row_length"]
  tagging = {
    name: _Tagging(arguments["tagger"]) for name in dataset_info.SPLITS
  }
  with record_writer.Writer(directory, row_length, tokenizer) as writer:
    for split in dataset_info.SPLITS:
      tagged = tagging[split](corpus.documents(split))
      pieces = wordpiece.encode(tokenizer, tagged)
      for row in packing.pack(pieces, row_length):
        writer.write(split, row)
    info = writer.finish(
      source=arguments["source"],
      tagger=arguments["tagger"],
      arguments=arguments,
      inputs=corpus.inputs,
      versions={
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
      },
    )
  written = time.perf_counter()
  _print_report(directory, info, tagging)
  tokens = sum(info.tokens.values())
  print(
    f"tokenizer trained in {trained - begin:.1f} s; rows made in "
    f"{written - trained:.1f} s, {tokens / (written - trained):,.0f} tokens/s"
  )
  return info


def _print_report(
  directory: str,
  info: dataset_info.DatasetInfo,
  tagging: dict[str, _Tagging],
) -> None:
  """Prints what a dataset holds, and the paths that were written."""
  print(
    f"{'split':<8}{'documents':>11}{'words':>13}{'rows':>10}{'tokens':>14}"
    f"{'padding':>9}"
  )
  for name in dataset_info.SPLITS:
    print(
      f"{name:<8}{tagging[name].documents:>11,}{tagging[name].words:>13,}"
      f"{info.rows[name]:>10,}{info.tokens[name]:>14,}"
      f"{info.padding_share[name]:>9.1%}"
    )
  print(f"\nwords by group ({info.vocabulary_size:,} pieces in the vocabulary)")
  counts = info.tag_counts["train"]
  total = max(1, sum(counts.values()))
  groups = part_of_speech.GROUPS | {"other": part_of_speech.OTHER}
  for group, names in groups.items():
    words = sum(counts[name] for name in names)
    each = ", ".join(f"{name} {counts[name]:,}" for name in names)
    print(f"{group:<16}{words:>12,}{words / total:>8.1%}  {each}")
  for name in dataset_info.SPLITS:
    if tagging[name].confusion is not None:
      print(f"\nthe tagger {info.tagger} against the gold tags, {name}")
      print(part_of_speech.agreement_table(tagging[name].confusion))
  print()
  for file in sorted(os.listdir(directory)):
    print(f"wrote {os.path.join(directory, file)}")
  print(f"digest {info.digest}")
