"""From parts of speech to tasks."""

from collections.abc import Mapping, Sequence

import numpy as np

from taskrobust_jax.errors import InputError, did_you_mean

CONTEXT = -1  # Task of a tag that no group holds: seen, never predicted.


def groups_of(
  groups: Mapping[str, Sequence[str]],
  tag_names: Sequence[str],
  tag_counts: Mapping[str, int],
) -> dict[str, Sequence[str]]:
  """The groups of a config; where it has none, each tag that has words is one.

  Args:
    groups: Task name -> tags, or nothing.
    tag_names: Name of every tag id.
    tag_counts: Words of each tag in the training data.

  Returns:
    Task name -> tags.
  """
  if groups:
    return dict(groups)
  return {tag: (tag,) for tag in tag_names[1:] if tag_counts.get(tag, 0)}


def task_of_tag(
  groups: Mapping[str, Sequence[str]],
  tag_names: Sequence[str],
  tag_counts: Mapping[str, int],
) -> np.ndarray:
  """The table from tag ids to tasks.

  Args:
    groups: Task name -> tags; see `groups_of`.
    tag_names: Name of every tag id.
    tag_counts: Words of each tag in the training data.

  Returns:
    [len(tag_names)] int32; `CONTEXT` for tags that no group holds.

  Raises:
    InputError: For no groups, an unknown tag, a tag in two groups, or a group
      that matches no word.
  """
  if not groups:
    raise InputError("groups must name at least one task, got none")
  table = np.full(len(tag_names), CONTEXT, np.int32)
  for task, (group, tags) in enumerate(groups.items()):
    for tag in tags:
      if tag not in tag_names[1:]:  # The first is that of no word.
        hint = did_you_mean(tag, tag_names[1:]) or "."
        raise InputError(
          f"group {group!r} has the unknown tag {tag!r}{hint} Legal: "
          f"{' '.join(tag_names[1:])}"
        )
      index = tag_names.index(tag)
      if table[index] != CONTEXT:
        other = list(groups)[table[index]]
        raise InputError(
          f"groups {other!r} and {group!r} overlap: both hold {tag!r}"
        )
      table[index] = task
    if not any(tag_counts.get(tag, 0) for tag in tags):
      raise InputError(
        f"group {group!r} ({' '.join(tags)}) matches no word of the training "
        "data"
      )
  return table
