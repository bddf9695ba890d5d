"""The runner: what ended is not run again, what fails stops the rest."""

import os
import signal

from taskrobust_jax import errors
from taskrobust_jax.study.runner import Job, Runner

FINE, BROKEN = ("errors",), ("no_such_program",)


def test_jobs_end_once_in_the_order_of_their_calls(tmp_path, capsys):
  collected = []

  def job(name, *calls):
    return Job(name, lambda: iter(calls), lambda: collected.append(name))

  with Runner(tmp_path, None) as runner:
    assert runner.run_all([job("a/b", FINE, FINE), job("c")], [job("d")]) == 0
  assert collected == ["a/b", "c"]
  out = capsys.readouterr().out.splitlines()
  assert [line.partition(":")[0] for line in out] == ["a/b", "c"]
  assert "; 1 left, about " in out[1]
  assert (tmp_path / "logs/a/b.log").read_text().count("\n$ ") == 1
  with Runner(tmp_path, None) as runner:
    *lines, last = runner.plan([job("a/b"), job("d"), job("d")]).splitlines()
    assert [line.split() for line in lines] == [
      ["done", "a/b"],
      ["to", "do", "d"],
    ]
    assert last.startswith("2 jobs, 1 to do, 1 at a time: about ")
    assert runner.run_all([job("a/b", BROKEN), job("d")]) == 0
    # What another machine gave is not run again.
    kept = job("e", BROKEN)._replace(is_kept=lambda: True)
    assert runner.run_all([kept]) == 0
    assert runner.plan([kept]).startswith("done   e\n1 jobs, 0 to do")
    # The results are elsewhere now, or more is asked for.
    again = job("c")._replace(is_collected=lambda: False)
    assert runner.plan([job("c")]).startswith("done   c")
    for jobs in ([again], [job("c"), again], [again, job("c")]):
      assert runner.plan(jobs).startswith("to do  c\n1 jobs, 1 to do")
  assert collected == ["a/b", "c", "d"]


def test_a_failure_is_told_and_nothing_is_begun_after(tmp_path, capsys):
  collected = []
  jobs = [
    Job("bad", lambda: iter([BROKEN, FINE]), lambda: collected.append("bad")),
    Job("next", lambda: iter([FINE]), lambda: collected.append("next")),
  ]
  with Runner(tmp_path, None) as runner:
    assert runner.run_all(jobs) == 1
  assert collected == []
  assert "bad: exit code 1; see " in capsys.readouterr().err
  assert "no_such_program" in (tmp_path / "logs/bad.log").read_text()
  assert not (tmp_path / "done").exists()


def test_nothing_is_begun_after_sigterm(tmp_path):
  before = signal.getsignal(signal.SIGTERM)
  with Runner(tmp_path, None) as runner:
    os.kill(os.getpid(), signal.SIGTERM)
    assert runner.run_all([Job("a", lambda: iter([FINE]))]) == errors.PREEMPTED
  assert not (tmp_path / "done").exists()
  assert signal.getsignal(signal.SIGTERM) is before
