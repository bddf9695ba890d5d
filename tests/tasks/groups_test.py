"""Groups of parts of speech are checked."""

import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.tasks.groups import groups_of, task_of_tag
from tests.tasks.small import COUNTS, TAGS


@pytest.mark.parametrize(
  ("groups", "message"),
  [
    ({}, "at least one task"),
    ({"nouns": ["NUON"]}, "unknown tag 'NUON'; did you mean 'NOUN'"),
    ({"nothing": ["_"]}, "unknown tag '_'"),
    ({"a": ["NOUN"], "b": ["VERB", "NOUN"]}, "'a' and 'b' overlap: .* 'NOUN'"),
    ({"a": ["NOUN", "NOUN"]}, "overlap"),
    ({"a": ["NOUN"], "b": []}, r"group 'b' \(\) matches no word"),
  ],
)
def test_bad_groups_are_named(groups, message):
  with pytest.raises(InputError, match=message):
    task_of_tag(groups, TAGS, COUNTS)


def test_without_groups_each_tag_that_has_words_is_one():
  counts = {"NOUN": 3, "ADJ": 0, "VERB": 1, "_": 7}
  expected = {"NOUN": ("NOUN",), "VERB": ("VERB",)}
  assert groups_of({}, TAGS, counts) == expected
  assert groups_of({"a": ["ADJ"]}, TAGS, counts) == {"a": ["ADJ"]}


def test_a_group_without_words_is_named():
  with pytest.raises(InputError, match=r"group 'b' \(ADJ\) matches no word"):
    task_of_tag({"a": ["NOUN"], "b": ["ADJ"]}, TAGS, {"NOUN": 3, "ADJ": 0})
