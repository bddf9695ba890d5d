"""Draws of few examples, and the halves of a dev set."""

import numpy as np
import pytest

from taskrobust_jax.transfer import subsets


def test_the_halves_are_fixed_and_share_no_row():
  one, other = subsets.halves(101, 0.5), subsets.halves(101, 0.5)
  np.testing.assert_array_equal(one.select, other.select)
  assert abs(len(one.select) - len(one.verdict)) <= 1
  assert sorted([*one.select, *one.verdict]) == list(range(101))


@pytest.mark.parametrize(("rows", "share", "sizes"), [
  (10, 0.0, (0, 10)), (2, 0.01, (1, 1)), (2, 0.99, (1, 1)), (1, 0.5, (0, 1)),
])  # fmt: skip
def test_parts_of_small_dev_sets(rows, share, sizes):
  assert tuple(map(len, subsets.halves(rows, share))) == sizes


def test_few_dev_rows_are_drawn_and_not_the_first():
  found = subsets.halves(1000, 0.5, max_rows=20)
  assert [len(part) for part in found] == [10, 10]
  assert max(found.verdict) > 100


def test_a_draw_keeps_the_shares_of_classes():
  classes = np.repeat([0, 1, 2], [700, 250, 50])
  chosen = subsets.draw(1000, 100, 0, classes)
  assert len(set(chosen.tolist())) == 100
  counts = np.bincount(classes[chosen])
  np.testing.assert_allclose(counts, [70, 25, 5], atol=1)


def test_a_rare_class_is_drawn_too():
  classes = np.array([0] * 999 + [1])
  assert 999 in subsets.draw(1000, 4, 3, classes)


@pytest.mark.parametrize("classes", [None, np.arange(100) % 2])
def test_larger_draws_hold_the_smaller_of_a_seed(classes):
  small = subsets.draw(100, 10, 5, classes)
  large = subsets.draw(100, 40, 5, classes)
  assert set(small) < set(large)
  assert set(small) != set(subsets.draw(100, 10, 6, classes))


@pytest.mark.parametrize("wanted", [0, 7, 8])
def test_all_are_taken_where_so_many_are_asked_for(wanted):
  assert subsets.draw(7, wanted, 0, None).tolist() == list(range(7))
