"""The study's grid: every call is legal, and no two jobs share a folder."""

import collections
import dataclasses
import pathlib

import pytest

from configs import finetune_study, multimae_smoke, pos_bert_study
from taskrobust_jax.errors import InputError
from taskrobust_jax.report import evidence
from taskrobust_jax.study import grid, stages
from taskrobust_jax.study.calls import JobMaker
from taskrobust_jax.study.inputs import Inputs

GROUPS = (
  stages.small()
  + stages.stage_a()
  + stages.stage_b(
    [m.name for m in (*grid.ADAPTIVE, *grid.SCREENS, *grid.FIXED)]
  )
)
FOUND = {
  "references": "references.json",
  "adjustments": "(0.1,0.1,0.1,0.1)",
  "shares_of_excess": "(0.1,0.2,0.3,0.4)",
  "shares_of_counts": "(0.1,0.2,0.3,0.4)",
  "mean_weights": "(0.1,0.2,0.3,0.4)",
  "small_weights": "(0.1,0.2,0.3,0.4)",
  "last_references": "(0.1,0.2,0.3,0.4)",
}


def make_jobs(tmp_path, folders=None, flags=()):
  names = ("treebank", "novels", "glue")
  folders = folders or dict.fromkeys(names, tmp_path)
  return JobMaker(Inputs(tmp_path, folders, 3_000, flags), tmp_path)


def test_every_argument_string_is_legal_and_flags_name_keys():
  for group in GROUPS:
    for method in group.methods:
      arguments = method.arguments.format(**FOUND)
      parts = (*group.setting.arguments, group.setting.groups, arguments)
      text = ",".join(filter(None, parts))
      if group.setting.source == "scenes":
        config = multimae_smoke.get_config(text)
      else:
        text = f"{group.setting.source},{text}"
        config = pos_bert_study.get_config(text)
      steps = round(grid.STEPS * group.setting.length)
      assert config.num_steps == steps or group.setting.length not in (0.5, 1)
      for flag in (*group.setting.flags, *method.flags):
        name, _, value = flag.removeprefix("--config.").partition("=")
        place = config
        for part in name.split("."):
          place = place[part]
        assert str(place) != value
  with pytest.raises(InputError, match="unknown config argument 'tree'"):
    pos_bert_study.get_config("tree,strategy=uniform")
  assert finetune_study.get_config("frozen").mode == "frozen"


def test_a_stage_has_each_folder_once_and_data_come_first(tmp_path):
  maker = make_jobs(tmp_path)
  for group in GROUPS:
    stages = maker.stages(group)
    names = [job.name for jobs in stages for job in jobs]
    assert max(collections.Counter(names).values()) == 1
    assert names[0].startswith("data/")
    waits = any("{" in method.arguments for method in group.methods)
    assert bool(stages[2]) == waits


def test_no_model_of_one_task_where_raw_losses_are_told(tmp_path):
  maker = make_jobs(tmp_path)
  for setting in grid.QUANTILES:
    group = grid.Group(setting, grid.SCREEN, (grid.AVERAGING,), (0,))
    ends = [job.name.rpartition("/")[2] for job in maker.stages(group)[1]]
    alone = ["probe", "references"] if setting.has_references else []
    assert ends == [*alone, "seed0"]
  assert [s.has_references for s in grid.QUANTILES] == [True, False, False]


def test_weights_that_a_run_finds_come_after_that_run():
  for groups in (stages.stage_a(), stages.stage_b([])):
    found = set()
    for group in groups:
      for method in group.methods:
        if "{mean_weights}" in method.arguments:
          assert group.setting.name in found
      if grid.WINNER in group.methods:
        found.add(group.setting.name)


def test_what_needs_no_choice_is_compared_beside_the_finalists():
  groups = stages.stage_b(["optimistic 0.5", "fixed by counts"])
  names = [
    m.name for g in groups if g.setting == grid.NOVELS for m in g.methods
  ]
  assert names == [
    *("uniform", "mirror_ascent 0.5", "mirror_ascent 0.5 by rows"),
    *("optimistic 0.5", "mirror_ascent raw"),
    *("fixed by excess", "fixed by counts", "fixed by ascent"),
  ]


def test_the_configs_have_what_was_compared():
  own, compared = (
    pos_bert_study.get_config(text).minimax for text in ("", grid.RAW.arguments)
  )
  assert own == compared


def test_calls_name_what_they_read(tmp_path):
  folders = {
    name: pathlib.Path(f"/{name}") for name in ("treebank", "novels", "glue")
  }
  maker = make_jobs(tmp_path, folders, ["--config.batch_size=8"])
  (data,), (probe, references, run, *_), _, tuned = maker.stages(
    stages.small()[0]
  )
  train, prepare = data.calls()
  assert train[1] == "--train_tagger=/treebank/train.conllu.gz"
  assert "--config.data.train_path=/novels/*.txt" in prepare
  assert prepare[-3] == "--config.batch_size=8"
  assert next(iter(references.calls()))[0] == "calibrate"
  pretrain, screen, judge = run.calls()
  assert (
    pretrain[1] == "--config=configs/pos_bert_study.py:novels,strategy=uniform"
  )
  assert "--config.num_steps=3000" in pretrain
  for call, is_second in ((screen, False), (judge, True)):
    assert ("--second_half" in call) == is_second
    assert f"{call[0]} {call[-1]}" == "evaluate --config.seed=0"
    assert pretrain[1] in call  # The tasks of averaging.
  for call in probe.calls():
    assert "--config.num_steps=150" in call
  (call,) = tuned[-1].calls()
  assert f"--from=random:{tmp_path}/novels/comparison/uniform/seed29" in call


def line(method, losses, purpose, **more):
  tasks = dict(zip(("nouns", "verbs"), losses, strict=True))
  return evidence.PreTraining(
    setting="novels",
    purpose=purpose,
    method=method,
    arguments="",
    seed=10,
    steps=1,
    examples=1.0,
    flops=None,
    seconds=None,
    screen=tasks,
    loss={},
    **{"weights": {"nouns": 0.25, "verbs": 0.75}, **more},
  )


def test_what_the_results_hold_is_not_run_again(tmp_path):
  group = stages.small()[0]._replace(seeds=(10,), sizes=(64,))
  (data,), (probe, references, run), _, tuned = make_jobs(tmp_path).stages(
    group
  )
  jobs = (data, probe, references, run, *tuned)
  assert [job.is_kept() for job in jobs] == [False] * 6
  lines = tmp_path / "pretraining.jsonl"
  evidence.merge(lines, [line("uniform", (4.0, 3.0), grid.COMPARISON)])
  # Its checkpoint is still to be fine-tuned.
  assert not run.is_kept()
  for name in ("uniform", evidence.UNTRAINED):
    evidence.merge(tmp_path / "downstream.jsonl", [score(name)])
  assert [job.is_kept() for job in (run, *tuned)] == [True] * 3
  evidence.merge(lines, [line("single nouns", (3.0, 9.0), evidence.REFERENCE)])
  assert not references.is_kept()
  (tmp_path / "references_novels.json").touch()
  assert references.is_kept()
  assert not data.is_kept()
  probed = evidence.Probe("novels", 150, [], [], [], [])
  evidence.merge(tmp_path / "forecast.jsonl", [probed])
  assert data.is_kept()


def test_a_group_without_methods_has_no_jobs(tmp_path):
  group = stages.small()[0]._replace(methods=())
  assert make_jobs(tmp_path).stages(group) == []


def test_what_has_ended_is_run_again_for_results_that_lack_it(tmp_path):
  group = stages.small()[0]._replace(seeds=(10,), sizes=(64,))
  _, (_, _, run), _, (tuned, _) = make_jobs(tmp_path).stages(group)
  _, _, _, (more, _) = make_jobs(tmp_path).stages(
    group._replace(sizes=(64, 256))
  )
  assert [x.is_collected() for x in (run, tuned, more)] == [False] * 3
  evidence.merge(
    tmp_path / "pretraining.jsonl",
    [line("uniform", (4.0, 3.0), grid.COMPARISON)],
  )
  evidence.merge(tmp_path / "downstream.jsonl", [score("uniform")])
  assert [x.is_collected() for x in (run, tuned, more)] == [True, True, False]


def score(method):
  return evidence.Downstream(
    **{field.name: 0 for field in dataclasses.fields(evidence.Downstream)}
    | {"setting": "novels", "purpose": grid.COMPARISON, "method": method}
    | {"pretrained": 10, "mode": "frozen", "task": "CoLA", "num_examples": 64}
  )


def test_arguments_are_filled_in_with_what_earlier_runs_found(tmp_path):
  maker = make_jobs(tmp_path)
  methods = (grid.ADAPTIVE[3], grid.ADAPTIVE[4], *grid.FIXED, grid.LOG_RATIO)
  group = grid.Group(grid.NOVELS, grid.COMPARISON, methods, (10,))
  *_, jobs, _ = maker.stages(group)
  with pytest.raises(InputError, match="fixed by excess needs shares_of_exc"):
    next(iter(jobs[2].calls()))
  evidence.merge(
    tmp_path / "pretraining.jsonl",
    [
      line(
        "uniform",
        (4.0, 3.0),
        grid.COMPARISON,
        counts={"nouns": 100.0, "verbs": 25.0},
      ),
      line("uniform", (9.0, 9.0), grid.SCREEN),  # Of another purpose.
      line("mirror_ascent 0.5", (4.0, 3.0), grid.SCREEN),
      line("single nouns", (3.0, 9.0), evidence.REFERENCE),
      line("single verbs", (9.0, 2.75), evidence.REFERENCE),
    ],
  )
  texts = [next(iter(job.calls()))[1].partition("novels,")[2] for job in jobs]
  assert texts[0].endswith(
    f"reference_losses={tmp_path}/references_novels.json"
  )
  assert texts[1].endswith("adjustments=(0.100000,0.200000)")
  assert texts[-1].endswith("nadir=(3.00000,2.75000)")
  assert [text.partition("weights=")[2] for text in texts[2:-1]] == [
    *("(0.8000,0.2000)", "(0.8000,0.2000)", "(0.2500,0.7500)")
  ]
