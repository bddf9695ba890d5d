"""The program `finetune`: bad input, and from a run to results."""

import json

import pytest

from tests import programs, tiny_bert
from tests.train import masked_image_run_test

CONFIG = f"--config={programs.ROOT}/configs/finetune_glue.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A model that was never trained, and GLUE of 8 sentences, or of less."""
  path = tmp_path_factory.mktemp("finetune")
  (path / "model").mkdir()
  tiny_bert.write(path / "model")
  for task, train in (
    ("SST-2", "sentence\tlabel\n" + "w1 good\t1\nw2 bad\t0\n" * 4),
    ("WNLI", "index\tsentence1\tsentence2\n0\tw1\tw2\n"),
  ):
    (path / "glue" / task).mkdir(parents=True)
    for split in ("train", "dev"):
      (path / "glue" / task / f"{split}.tsv").write_text(train)
  return path


def flags(folder, **changes):
  values = {
    "from": folder / "model",
    "tasks": "SST-2",
    "data_dir": folder / "glue",
    "workdir": folder / "out",
    **changes,
  }
  return [CONFIG, *(f"--{name}={value}" for name, value in values.items())]


BAD = (
  ({"tasks": "SST2"}, "task 'SST2' is not known; there are CoLA, SST-2"),
  ({"tasks": "SST-2,SST-2"}, "--tasks must be distinct values"),
  ({"num_examples": "-5"}, "--num_examples must be whole numbers"),
  ({"from": "/nowhere"}, "/nowhere is no folder of a run"),
  ({"config.mode": "half"}, "mode must be in ('full', 'frozen'"),
  # The second of two tasks, before the first one is trained.
  ({"tasks": "SST-2,WNLI"}, "WNLI/train.tsv:1: has no column 'label'"),
)


def test_bad_input_is_one_line_and_code_2_and_changes_nothing(folder):
  calls = [flags(folder, **changes) for changes, _ in BAD]
  required = ["config", "from", "tasks", "workdir"]
  results = programs.run_each("finetune", required, calls)
  for (_, message), (code, _, err) in zip(BAD, results):
    assert message in err
    assert code == 2
    assert err.count("\n") == 1
  assert not (folder / "out").exists()


@pytest.mark.ci
def test_from_a_run_to_results(tmp_path):
  whole = programs.finished()
  call = flags(
    tmp_path,
    **{
      "from": whole.run,
      "tasks": "tagging",
      "seeds": "0,1",
      "num_examples": "8",
      "config.tagging.train_path": whole.folder / "all.conllu",
      "config.tagging.eval_path": whole.folder / "all.conllu",
      "config.batch_size": 8,
      "config.least_steps": 40,
      "config.evaluation.max_rows": 64,
    },
  )
  code, out, err = programs.run("finetune", *call, "--dry_run")
  assert code == 0, err
  assert out.startswith("2 runs, 0 of them finished\ntagging            8 rows")
  assert not (tmp_path / "out").exists()
  code, out, err = programs.run("finetune", *call)
  assert code == 0, err
  assert out.count("left\n") == 2
  found = sorted((tmp_path / "out").rglob("result.json"))
  assert [str(x.relative_to(tmp_path / "out").parent) for x in found] == [
    f"tagging/8/seed{seed}" for seed in (0, 1)
  ]
  result = json.loads(found[1].read_text())
  assert result["score_name"] == "accuracy"
  assert 0 < result["score"] < 1
  manifest = json.loads((tmp_path / "out/manifest.json").read_text())
  assert manifest["pretrained"]["step"] == programs.LAST
  assert manifest["pretrained"]["num_examples"] == 8 * programs.LAST
  # Again, with one of them undone.
  before = found[0].stat().st_mtime_ns
  found[1].unlink()
  code, out, err = programs.run("finetune", *call)
  assert code == 0, err
  assert "1 of 2 runs are finished" in out
  assert "[1/1] tagging" in out
  assert found[0].stat().st_mtime_ns == before
  assert json.loads(found[1].read_text())["score"] == result["score"]
  code, _, err = programs.run("finetune", *call, "--config.batch_size=16")
  assert code == 2
  assert "config.batch_size is 8, not 16" in err


@pytest.mark.ci
def test_a_run_begins_with_the_params_of_another(tmp_path):
  whole = programs.finished()
  short = {"num_steps": 20, "optimizer__warmup_steps": 2}
  call = programs.run_flags(whole.folder, tmp_path / "run", **short)
  code, _, err = programs.run("pretrain", *call, f"--init_from={whole.run}")
  assert code == 0, err
  first, *_ = programs.rows_of(tmp_path / "run")
  last = programs.rows_of(whole.run)[-1]
  key = "eval/mean_task_loss"
  assert first["step"] == 0
  assert first[key] == pytest.approx(last[key], rel=1e-5)
  code, _, err = programs.run("pretrain", *call)
  assert code == 2
  assert "holds another run: init_from is" in err
  data = f"--data_dir={whole.data}"
  code, _, err = programs.run("evaluate", f"--workdir={tmp_path}/run", data)
  assert code == 0, err


@pytest.mark.ci
def test_pictures_from_a_run_to_results(tmp_path):
  place = f"{programs.ROOT}/configs/multimae_smoke.py"
  small = [f"--config.{k}={v}" for k, v in masked_image_run_test.SMALL.items()]
  run, out = tmp_path / "run", tmp_path / "out"
  code, _, err = programs.run(
    "pretrain", f'--config={place}:outputs=("rgb",)', *small, f"--workdir={run}"
  )
  assert code == 0, err
  call = [
    f"--config={programs.ROOT}/configs/finetune_vision.py",
    f"--from={run}",
    f"--workdir={out}",
    "--tasks=scenes_classes,scenes_normals",
    "--config.batch_size=8",
    "--config.num_epochs=1.0",
    "--config.least_steps=4",
    "--config.head.cells=2",
    "--config.head.num_blocks=1",
    "--config.evaluation.batch_size=8",
    "--config.scenes.train_rows=16",
    "--config.scenes.eval_rows=16",
  ]
  code, printed, err = programs.run("finetune", *call)
  assert code == 0, err
  assert printed.count("left\n") == 2
  for task, name in (
    ("scenes_classes", "accuracy"),
    ("scenes_normals", "within_11_25"),
  ):
    result = json.loads((out / task / "all/seed0/result.json").read_text())
    assert result["score_name"] == name
    assert 0 <= result["score"] <= 1
    assert (result["num_train_rows"], result["num_eval_rows"]) == (16, 8)
  code, printed, err = programs.run("finetune", *call)
  assert code == 0, err
  assert "2 of 2 runs are finished" in printed
