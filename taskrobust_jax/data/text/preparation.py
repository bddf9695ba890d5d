"""From text to a prepared dataset: stage, learn, then a shard a block.

A run that was stopped, by whatever, goes on when it is called again: blocks
whose shard is there are not made again, and the dataset comes out equal, byte
by byte.
"""

import importlib.metadata
import os
import platform
import shutil
import time
from typing import Any, NamedTuple

from taskrobust_jax import errors, files, lock
from taskrobust_jax.data import stored
from taskrobust_jax.data.tagging import taggers
from taskrobust_jax.data.text import (
  blocks,
  corpus,
  dataset_info,
  packing,
  plans,
  preparation_report,
  records,
  runners,
  shards,
  vocabulary,
  wordpiece,
)

_PACKAGES = ("numpy", "tokenizers", "textblob", "array_record")
# A vocabulary is learnt from at most so many characters, in whole blocks spread
# over the corpus.
_VOCABULARY_CHARACTERS = 1 << 28


class HowToRun(NamedTuple):
  """What changes how a dataset is made, and nothing in it.

  Attributes:
    runner: one of `runners.RUNNERS`.
    num_workers: processes of the local runner; None for one a core.
    beam_options: options of Beam's pipeline.
    is_dry: check and tell what would be made, and write nothing.
  """

  runner: str = "local"
  num_workers: int | None = None
  beam_options: str = ""
  is_dry: bool = False


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
  tagger_path: str = "",
  vocabulary_path: str = "",
  text_feature: str = "text",
  how: HowToRun | None = None,
) -> dataset_info.DatasetInfo | None:
  """Makes a dataset of packed rows and prints what it holds.

  A folder that holds a complete dataset is left as it is: made from the same
  arguments and equal files, it is the answer; else it is an error.

  Args:
    directory: the folder to write, made if absent.
    source: one of `sources.SOURCES`, or tfds:NAME.
    train_path: glob of the training files, or a split of tfds:NAME; empty for
      "python_docs".
    eval_path: the same of what is held out; empty to hold out every n-th
      document of the training files, n = round(1 / eval_share).
    tagger: a name in `taggers.TAGGERS`.
    vocabulary_size: pieces of the WordPiece vocabulary, 64 to 1,000,000; it is
      trained on the training split alone. Unused where one is given.
    row_length: L, 8 to 65,536.
    eval_share: above 0, at most 0.5; unused where there is an eval_path.
    tagger_path: the file of a tagger that reads one.
    vocabulary_path: a vocab.txt or tokenizer.json to use; empty to train one.
    text_feature: the text's feature in tfds:NAME.
    how: by whom it is made; None for this machine's cores.

  Returns:
    What `dataset.json` says; None if it is not there and is not made.

  Raises:
    InputError: an argument out of its range, text that cannot be read, a split
      without a document, another dataset in the folder, finished or not, a
      folder that is in use, or one that cannot be written to.
    ChildProcessError: a worker process was killed.
  """
  arguments = {
    "source": source,
    "train_path": train_path,
    "eval_path": eval_path,
    "tagger": tagger,
    "vocabulary_size": vocabulary_size,
    "row_length": row_length,
    "eval_share": eval_share,
    "tagger_path": tagger_path,
    "vocabulary_path": vocabulary_path,
    "text_feature": text_feature,
  }
  how = how or HowToRun()
  runners.check(how.runner, how.num_workers)
  tagger_files = taggers.make(tagger, tagger_path).files
  if vocabulary_path:
    vocabulary.read(vocabulary_path)
  else:
    wordpiece.check_vocabulary_size(vocabulary_size)
  packing.check_row_length(row_length)
  if not eval_path and not 0 < eval_share <= 0.5:
    raise errors.InputError(
      f"eval_share: {eval_share} is not above 0 and at most 0.5"
    )
  directory = os.path.abspath(os.path.expanduser(directory))
  found = corpus.Corpus(source, train_path, eval_path, eval_share, text_feature)
  files = [*found.files, *tagger_files]
  if vocabulary_path:
    files.append(os.path.abspath(os.path.expanduser(vocabulary_path)))
  plan = {
    **arguments,
    "inputs": {file: wordpiece.sha256(file) for file in files},
  }
  try:
    if info := plans.complete(directory, plan):
      return info
    if how.is_dry:
      print(_dry(directory, found, plan))
      return None
    os.makedirs(directory, exist_ok=True)
    with lock.held(directory):
      # Another process may have been faster.
      if info := plans.complete(directory, plan):
        return info
      return _prepare(directory, found, plan, how)
  except ChildProcessError:
    raise
  except OSError as error:
    raise errors.InputError(
      f"data_dir: {directory} cannot be written to: {error}"
    ) from error


def _dry(directory: str, found: corpus.Corpus, plan: dict[str, Any]) -> str:
  """What would be made, in words."""
  size = sum(os.path.getsize(file) for file in found.files)
  pieces = plan["vocabulary_path"] or f"{plan['vocabulary_size']:,}, learnt"
  return (
    f"source      {plan['source']}, {len(found.files):,} files, "
    f"{size / 1e6:,.1f} MB\n"
    f"tagger      {plan['tagger']} {plan['tagger_path']}\n"
    f"vocabulary  {pieces}\n"
    f"rows        of {plan['row_length']:,} pieces\n"
    f"data_dir    {directory}: would be made"
  )


def _prepare(
  directory: str,
  found: corpus.Corpus,
  plan: dict[str, Any],
  how: HowToRun,
) -> dataset_info.DatasetInfo:
  folder = os.path.join(directory, blocks.WORK_FOLDER)
  versions = {
    "python": platform.python_version(),
    **{name: importlib.metadata.version(name) for name in _PACKAGES},
  }
  plans.begin(directory, folder, {**plan, "versions": versions})
  begin = time.perf_counter()
  staged = found.stage(folder)
  staged_at = time.perf_counter()
  tokenizer_file = _tokenizer(directory, folder, plan, staged)
  tokenizer = vocabulary.read_json(tokenizer_file)
  tagger = _fitted(directory, folder, plan, staged)
  learnt_at = time.perf_counter()

  work = [
    ((directory, split, index), characters)
    for split, sizes in staged.characters.items()
    for index, characters in enumerate(sizes)
  ]
  to_do = [item for item in work if blocks.read_counts(item[0]) is None]
  if len(to_do) < len(work):
    print(f"goes on: {len(work) - len(to_do)} of {len(work)} blocks are done")
  runners.run(
    to_do,
    runner=how.runner,
    num_workers=how.num_workers,
    beam_options=how.beam_options,
    is_small=sum(size for _, size in work) < corpus.BLOCK_CHARACTERS,
  )
  plans.remove_shards(
    directory, "*.incomplete-*"
  )  # Of processes that were killed.
  counts = {split: [] for split in stored.SPLITS}
  for block, _ in work:
    counts[block[1]].append(blocks.read_counts(block))
  made_at = time.perf_counter()
  info = shards.finish(
    directory,
    counts,
    row_length=plan["row_length"],
    tag_names=tagger.tag_names,
    tokenizer_sha256=wordpiece.sha256(tokenizer_file),
    source=plan["source"],
    tagger=plan["tagger"],
    vocabulary_size=vocabulary.size(tokenizer),
    special_token_ids=vocabulary.special_token_ids(tokenizer, tokenizer_file),
    arguments={k: v for k, v in plan.items() if k != "inputs"},
    inputs=plan["inputs"],
    versions=versions,
  )
  shutil.rmtree(folder)
  preparation_report.show(directory, info, counts, staged, tagger.groups)
  seconds = made_at - learnt_at
  tokens = sum(counts[split][index].tokens for (_, split, index), _ in to_do)
  print(
    f"read in {staged_at - begin:.1f} s, vocabulary and tagger in "
    f"{learnt_at - staged_at:.1f} s; rows made in {seconds:.1f} s, "
    f"{tokens / seconds:,.0f} tokens/s"
  )
  return info


def _tokenizer(directory, folder, plan, staged: corpus.Staged) -> str:
  """Makes tokenizer.json, unless it was made before the stop; its path."""
  file = os.path.join(directory, records.TOKENIZER_FILE)
  mark = os.path.join(folder, "tokenizer.done")
  if os.path.exists(mark):
    return file
  if plan["vocabulary_path"]:
    tokenizer = vocabulary.read(plan["vocabulary_path"])
  else:
    sizes = staged.characters["train"]
    every = -(-sum(sizes) // _VOCABULARY_CHARACTERS)

    def read_texts():
      for index in range(0, len(sizes), every):
        for document in corpus.read_block(folder, "train", index):
          yield document.text

    tokenizer = wordpiece.train(read_texts, plan["vocabulary_size"])
  digest = wordpiece.save(tokenizer, file + ".tmp")
  files.replace(file + ".tmp", file)
  shards.write_json(mark, digest)
  return file


def _fitted(directory, folder, plan, staged: corpus.Staged):
  """The tagger, fitted; the blocks' work is written if it was not."""
  tagger = taggers.make(plan["tagger"], plan["tagger_path"])
  work = blocks.read_work(directory)
  if work is None:

    def read_documents():
      for index in range(len(staged.characters["train"])):
        yield from corpus.read_block(folder, "train", index)

    work = {
      "tagger": plan["tagger"],
      "tagger_path": plan["tagger_path"],
      "state": tagger.fit(read_documents),
      "row_length": plan["row_length"],
      "num_blocks": {k: len(v) for k, v in staged.characters.items()},
    }
    blocks.write_work(directory, work)
  tagger.load(work["state"])
  return tagger


def verify(directory: str) -> None:
  """Reads every row of a dataset and prints its digest.

  Raises:
    InputError: no complete dataset, or a damaged one: the first bad shard is
      named.
  """
  dataset = records.open_dataset(directory)
  rows = sum(dataset.info.rows.values())
  print(
    f"{dataset.directory}: {rows:,} rows are fine, digest {dataset.verify()}"
  )
