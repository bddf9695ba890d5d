"""Lines of a study, its tables and its verdict, on made numbers."""

import dataclasses
import json
import math

import numpy as np
import pytest

from taskrobust_jax.errors import InputError
from taskrobust_jax.report import (
  evidence,
  evidence_page,
  excess,
  forecast,
  page,
  verdict,
)
from taskrobust_jax.report.read import read_run
from taskrobust_jax.report.results import read_fine_tuning
from tests.report.made_lines import TASKS, pre_training, scores, upstream


def test_a_line_of_a_run_says_what_the_run_says(write_run, tmp_path):
  folder = write_run(
    "run",
    [[8, 6], [7, 3]],
    [[0.5, 0.7], [0.5, 0.3]],
    config={"minimax": {"strategy": "cvar", "reference_losses": "/a.json"}},
    seed=3,
  )
  judged = {"step": 10, "eval/loss/nouns": 6.5, "eval/loss/verbs": 3.5}
  judged |= {"eval/count/nouns": 90.0, "eval/count/verbs": 30.0}
  screened = {"step": 10, "eval/loss/nouns": 6.0, "eval/loss/verbs": 3.0}
  files = tmp_path / "screened.json", tmp_path / "judged.json"
  for file, values in zip(files, (screened, judged)):
    file.write_text(json.dumps(values))
  line = evidence.of_run(read_run(folder), files, "novels", "pilot", "cvar")
  assert line.arguments == "strategy=cvar,reference_losses=calibrate"
  assert (line.seed, line.steps) == (3, 10)
  assert line.screen == {"nouns": 6.0, "verbs": 3.0}
  assert line.loss == {"nouns": 6.5, "verbs": 3.5}
  assert line.weights == {"nouns": 0.6, "verbs": 0.4}
  assert line.counts == {"nouns": 90.0, "verbs": 30.0}
  assert line.flops is None
  assert line.seconds is None
  # Mean params: the last ones are not told.
  for file, values in zip(files, (screened, judged)):
    of_mean = {
      k.replace("eval", "eval_averaged"): v / 2 for k, v in values.items()
    }
    of_mean["eval_averaged/worst_task_loss"] = 3.0
    file.write_text(json.dumps(values | of_mean))
  line = evidence.of_run(read_run(folder), files, "novels", "pilot", "mean")
  assert line.screen == {"nouns": 3.0, "verbs": 1.5}
  assert line.loss == {"nouns": 3.25, "verbs": 1.75}
  # Ordinary masking, judged by tasks that are not its own.
  for file, values in zip(files, (screened, judged)):
    text = json.dumps(values).replace("nouns", "modifiers")
    file.write_text(text)
  line = evidence.of_run(read_run(folder), files, "novels", "pilot", "ordinary")
  assert line.screen == {"modifiers": 6.0, "verbs": 3.0}
  assert line.weights == {"modifiers": 0.75, "verbs": 0.25}


def test_lines_of_fine_tunings_come_back_as_folders(write_fine_tuning):
  folder = write_fine_tuning(
    "a", {("cola", 64): [0.1, 0.2]}, seed=4, config={"mode": "frozen"}
  )
  read = read_fine_tuning(folder)
  lines = evidence.of_fine_tuning(read, "novels", "screen", "uniform")
  assert [line.seed for line in lines] == [0, 1]
  (back,) = evidence.as_fine_tunings(lines)
  assert back.results == read.results
  assert back.pretrained["seed"] == 4


def test_a_file_holds_each_run_once(tmp_path):
  file = tmp_path / "lines.jsonl"
  first, second = pre_training("a", 0, 1.0, 1.0), pre_training("a", 1, 1.0, 1.0)
  evidence.merge(file, [second])
  evidence.merge(file, [first, dataclasses.replace(second, steps=200)])
  found = evidence.read(file, evidence.PreTraining)
  assert [(line.seed, line.steps) for line in found] == [(0, 100), (1, 200)]
  assert evidence.read(tmp_path / "none.jsonl", evidence.PreTraining) == []
  with pytest.raises(InputError, match="lines.jsonl:1: it is no line of Probe"):
    evidence.read(file, evidence.Probe)


def test_excess_is_over_the_reference_of_the_task():
  tasks, (base, ours) = excess.of_lines(upstream())
  assert tasks == TASKS
  assert (base.method, ours.method) == ("uniform", "mirror")
  np.testing.assert_allclose(base.values[0], [0.2, 1.0])
  np.testing.assert_allclose(ours.worst, [0.5, 0.51, 0.52])
  found = excess.ratio(ours, base)
  assert found.value == pytest.approx(1.53 / 3.03)
  assert 0.49 < found.low <= found.value <= found.high < 0.52
  # Pairs are of equal seeds.
  _, (fewer, _) = excess.of_lines(upstream(2))
  assert excess.ratio(ours, fewer).value == pytest.approx(1.01 / 2.01)
  assert excess.of_lines(upstream()[1:]) == ((), [])


def test_a_seed_that_carries_a_ratio_is_told():
  lines = [
    dataclasses.replace(x, loss={"nouns": 4.2, "verbs": 6.0})
    if (x.method, x.seed) == ("uniform", 2)
    else x
    for x in upstream()
  ]
  _, (base, ours) = excess.of_lines(lines)
  # Excess .5, .51, .52 by 1, 1.01, 4.
  low, high = excess.without_one(ours, base)
  assert (low, high) == pytest.approx((1.02 / 5, 1.01 / 2.01))
  assert ", 0.204 to 0.502 without any one seed; " in of(lines, []).sentence()
  _, (base, ours) = excess.of_lines(upstream(1))
  assert math.isnan(excess.without_one(ours, base)[0])


def test_runs_of_other_lengths_are_not_compared():
  lines = upstream()
  lines[-1] = dataclasses.replace(lines[-1], steps=200)
  with pytest.raises(InputError, match="'novels' have .100, 200. steps"):
    excess.of_lines(lines)


def test_downstream_seeds_count_too():
  only = [line for line in scores() if line.pretrained == 0]
  half = of(upstream(), only)
  assert half.worst is None
  assert "no verdict yet" in half.sentence()


def test_a_ratio_to_no_excess_is_none():
  _, (base, ours) = excess.of_lines(upstream())
  none = dataclasses.replace(base, values=base.values - 5)
  assert math.isnan(excess.ratio(ours, none).value)


def of(lines, downstream):
  _, (base, ours) = excess.of_lines(lines)
  told = verdict.told_apart(downstream)
  return verdict.of_method(ours, base, told and told[0])


def test_the_bar_has_three_parts():
  won = of(upstream(), scores())
  assert won.is_lower_upstream
  assert won.is_higher_downstream
  assert won.worst.value == pytest.approx(0.1 / 0.3)
  assert won.mean.value == pytest.approx(0.1 / 0.702, rel=1e-3)
  assert won.mean.low == pytest.approx(won.mean.high)
  assert won.sentence().startswith("mirror: use it (worst upstream excess 0.5")
  lost = of(upstream(), scores(gain=-0.1))
  assert lost.is_lower_upstream
  assert not lost.is_higher_downstream
  assert not lost.keeps_the_mean
  assert "it does upstream what it promises" in lost.sentence()
  half = of(upstream(), [])
  assert half.sentence().endswith("downstream not yet run).")
  assert "no verdict yet" in half.sentence()
  assert "no verdict: 2 of 3" in of(upstream(2), scores(2)).sentence()
  equal = [
    line if line.method != "mirror" else pre_training("mirror", line.seed, 4, 3)
    for line in upstream()
  ]
  assert "mirror: average" in of(equal, scores()).sentence()


def test_cells_without_a_trace_of_pre_training_do_not_count():
  study, left_out = verdict.told_apart(scores())
  assert [cell.name for cell in study.cells] == ["tagging, 64 examples"]
  assert [text[-24:] for text in left_out] == [" one: wnli, 64 examples."]
  only = [line for line in scores() if line.task == "wnli"]
  assert verdict.told_apart(only) is None


def with_wnli(averaging, others=0.5):
  """Scores of one task by pre-training seed; the untrained model has .5."""
  lines = []
  for line in scores():
    score = line.score
    if line.task == "wnli":
      of_method = {"uniform": averaging[line.pretrained], "mirror": others}
      score = of_method.get(line.method, 0.5)
    lines.append(dataclasses.replace(line, score=score, select_score=score))
  return lines


def cells(lines):
  study, _ = verdict.told_apart(lines)
  return [cell.name for cell in study.cells]


def test_a_cell_counts_by_the_spread_of_a_single_model():
  tagging, wnli = "tagging, 64 examples", "wnli, 64 examples"
  # Means .51, spread .009 (each twice), then .011 on either side of it.
  assert cells(with_wnli((0.50, 0.51, 0.52))) == [tagging, wnli]
  assert cells(with_wnli((0.495, 0.51, 0.525))) == [tagging]
  assert cells(with_wnli((0.49, 0.49, 0.49))) == [tagging]


def test_other_methods_and_rows_that_judge_change_no_cell():
  lines = with_wnli((0.5, 0.5, 0.5), others=0.9)
  assert cells(lines) == ["tagging, 64 examples"]
  judged = [
    dataclasses.replace(line, score=0.9)
    if (line.method, line.task) == ("uniform", "wnli")
    else line
    for line in lines
  ]
  assert cells(judged) == ["tagging, 64 examples"]
  assert verdict.told_apart(lines[1:2]) is None


def test_forecast_by_hand():
  probe = evidence.Probe(
    "novels", 5, TASKS, [[1.0, 0.4], [0.4, 1.0]], [5.0, 3.0], [4.0, 2.8]
  )
  assert forecast.predicted_gain(probe) == pytest.approx((1 / 1.2 - 0.5) * 0.6)
  alike = dataclasses.replace(probe, averaged=[3.0, 2.0])
  assert forecast.predicted_gain(alike) == 0.0
  table = forecast.table([probe], [])
  assert table.rows == [["novels, not yet run", "+0.200", "-"]]
  one = forecast.pairs([probe], {"novels": [("mirror", 0.5)]})
  assert forecast.told(one) == (
    "1 pairs of a setting and a method: not enough to score forecasts. 1 "
    "settings, by the median gain: not enough to score forecasts."
  )
  others = [
    dataclasses.replace(probe, setting="a"),
    dataclasses.replace(probe, setting="b", averaged=[5.0, 2.8]),
  ]
  gains = {"a": [("x", 0.5), ("y", 0.4)], "b": [("x", 0.3), ("y", -0.2)]}
  found = forecast.pairs(others, gains)
  assert len(forecast.table(others, found).rows) == 4
  told = forecast.told(found)
  assert "75% are gains, whatever was forecast. 2 settings, by the me" in told
  # The medians .45, .05, -.2, -.3 for +.2, +.3, 0, .1.
  more = [
    forecast.Pair("c", "x", 0.0, -0.2),
    forecast.Pair("d", "x", 0.1, -0.3),
  ]
  told = forecast.told([*found, *more])
  assert (
    "4 settings, by the median gain, Spearman's correlation is +0.60" in told
  )
  assert told.endswith("; 50% are gains, whatever was forecast.")


def test_measured_gains_are_those_of_adaptive_methods():
  lines = upstream()
  for name in ("fixed by excess", "ordinary"):
    lines.append(pre_training(name, 0, 4.2, 3.0))
  _, found = excess.of_lines(lines)
  ((name, gain),) = forecast.gains(found, found[0])
  assert name == "mirror"
  assert gain == pytest.approx(1 - 1.53 / 3.03)


def test_the_page_tells_all(tmp_path):
  files = dict(zip(evidence_page.FILES, (upstream(), scores()), strict=False))
  for name, lines in files.items():
    evidence.merge(tmp_path / name, lines)
  text = page.as_markdown("The study", evidence_page.sections(tmp_path))
  assert "## novels: comparison" in text
  assert "- mirror: use it" in text
  assert "; frozen encoder, 1 cells: worst normalised downstream" in text
  assert "| mirror | 0.510 [" in text
  assert "| **0.505 [" in text
  assert "| 1e+09 | 12 |" in text
  assert "untrained model by the spread of a single one: wnli" in text


def test_a_method_has_a_verdict_of_each_way_it_was_tuned(tmp_path):
  lines = upstream()
  lines += [
    dataclasses.replace(x, method="other")
    for x in lines
    if x.method == "mirror"
  ]
  told = scores()
  told += [dataclasses.replace(x, mode="full") for x in told]
  for name, own in ((evidence_page.RUNS, lines), (evidence_page.SCORES, told)):
    evidence.merge(tmp_path / name, own)
  (section,) = evidence_page.sections(tmp_path)
  mirror, again, other = section.blocks[0]
  assert "; frozen encoder" in mirror
  assert "; full encoder" in again
  assert other.startswith("other: no verdict yet")


def test_comparisons_are_told_by_both_rows_and_screens_by_theirs(tmp_path):
  # On the rows that screen the worst excess is 1 for both.
  lines = [
    dataclasses.replace(x, screen={"nouns": 5.2, "verbs": 4.0})
    if x.purpose != evidence.REFERENCE
    else x
    for x in upstream()
  ]
  screens = [
    dataclasses.replace(x, purpose="screen")
    for x in lines
    if x.purpose != evidence.REFERENCE
  ]
  evidence.merge(tmp_path / evidence_page.RUNS, [*lines, *screens])
  compared, screened = evidence_page.sections(tmp_path)
  (of_both,), (of_one,) = (
    [x for x in section.blocks if "Excess: held-out" in getattr(x, "title", "")]
    for section in (compared, screened)
  )
  assert of_both.header[3:5] == [
    "worst, ratio to uniform",
    "the same, rows that screen",
  ]
  assert of_both.rows[1][3].startswith("0.505 [")
  assert of_both.rows[1][4].startswith("1.000 [")
  assert of_one.header[3:5] == ["worst, ratio to uniform", "nouns"]
  assert of_one.rows[1][3].startswith("1.000 [")
  losses = screened.blocks[-2]
  assert losses.rows[0][1:3] == ["5.200 (0.25)", "4.000 (0.75)"]
