"""The torture table, reduced: nothing may be lost."""

import re
import subprocess

import pytest

from tests import programs


@pytest.mark.ci
def test_nothing_is_lost():
  result = subprocess.run(
    ["bash", "launch/torture.sh", "reduced"],
    cwd=programs.ROOT,
    capture_output=True,
    text=True,
  )
  assert result.returncode == 0, result.stdout + result.stderr
  rows = re.findall(r"^(.{44}) +(\d+) +(\d+) +(\d+) ", result.stdout, re.M)
  assert len(rows) >= 12
  for name, tries, survived, lost in rows:
    assert (survived, lost) == (tries, "0"), name


@pytest.mark.ci
def test_memory_files_and_threads_stay_flat():
  from tests.torture import resources

  assert resources.long_run(2000) == ""


def test_another_word_is_refused():
  result = subprocess.run(
    ["bash", "launch/torture.sh", "all"],
    cwd=programs.ROOT,
    capture_output=True,
    text=True,
  )
  assert result.returncode == 2
  assert "give full or reduced, got ['all']" in result.stderr
