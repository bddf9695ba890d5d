"""What `prepare` prints of a finished dataset."""

from collections.abc import Mapping, Sequence
import os

import numpy as np

from taskrobust_jax.data import stored
from taskrobust_jax.data.tagging import part_of_speech
from taskrobust_jax.data.text import corpus, dataset_info, shards


def show(
  directory: str,
  info: dataset_info.DatasetInfo,
  counts: Mapping[str, Sequence[shards.Counts]],
  staged: corpus.Staged,
  groups: Mapping[str, Sequence[str]],
) -> None:
  """Prints what a dataset holds, and the paths that were written."""
  print(
    f"{'split':<8}{'documents':>11}{'words':>13}{'rows':>10}{'tokens':>14}"
    f"{'padding':>9}"
  )
  for name in stored.SPLITS:
    words = sum(shard.words for shard in counts[name])
    print(
      f"{name:<8}{staged.documents[name]:>11,}{words:>13,}"
      f"{info.rows[name]:>10,}{info.tokens[name]:>14,}"
      f"{info.padding_share[name]:>9.1%}"
    )
  print(
    f"left out: {staged.empty:,} empty documents, {staged.copies:,} copies of "
    f"at least {corpus.SHORTEST_COPY} characters"
  )
  print(f"\nwords by group ({info.vocabulary_size:,} pieces in the vocabulary)")
  found = info.tag_counts["train"]
  total = max(1, sum(found.values()))
  grouped = {name for names in groups.values() for name in names}
  # Not the words without a tag.
  others = [n for n in info.tag_names[1:] if n not in grouped]
  if not groups:
    table = {name: (name,) for name in others}
  else:
    table = {**groups, "other": others} if others else groups
  for group, names in table.items():
    words = sum(found[name] for name in names)
    each = ", ".join(f"{name} {found[name]:,}" for name in names)
    each = "" if names == (group,) else f"  {each}"
    print(f"{group:<16}{words:>12,}{words / total:>8.1%}{each}")
  for name in stored.SPLITS:
    confusions = [s.confusion for s in counts[name] if s.confusion is not None]
    if confusions:
      print(f"\nthe tagger {info.tagger} against the gold tags, {name}")
      print(part_of_speech.agreement_table(np.sum(confusions, axis=0)))
  print()
  for name in stored.SPLITS:
    last = len(counts[name]) - 1
    ends = sorted({stored.file_name(name, i, last + 1) for i in (0, last)})
    print(f"wrote {os.path.join(directory, ' ... '.join(ends))}")
  written = ("tokenizer.json", "dataset_info.json", "features.json")
  for file in (*written, stored.INFO_FILE):
    print(f"wrote {os.path.join(directory, file)}")
  print(f"digest {info.digest}")
