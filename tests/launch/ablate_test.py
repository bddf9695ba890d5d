import importlib
import json
import os
import pathlib
import subprocess

import pytest

from tests import programs

ROOT = pathlib.Path(__file__).parents[2]
FILES = sorted(ROOT.glob("configs/ablation_*.py"))


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_argument_strings_are_legal_and_distinct(name):
  ablation = importlib.import_module(f"configs.{name}")
  base = importlib.import_module(
    ablation.BASE.removesuffix(".py").replace("/", ".")
  )
  configs = [base.get_config(text).to_json() for text in ablation.ARGUMENTS]
  assert len(set(configs)) == len(configs)
  assert len(set(ablation.SEEDS)) == len(ablation.SEEDS) >= 3
  assert "Claim: " in ablation.__doc__


@pytest.fixture
def checkout(tmp_path):
  """A checkout whose install.sh does nothing."""
  programs.link_checkout(tmp_path)
  programs.write_treebank(tmp_path / "all.conllu")
  return tmp_path


def ablate(checkout, arguments, seeds=(0, 1)):
  (checkout / "grid.py").write_text(
    f"BASE = 'configs/pos_bert_smoke.py'\nSEEDS = {seeds}\n"
    f"ARGUMENTS = {tuple(arguments)}\n"
  )
  # As programs.config, less the config itself.
  flags = programs.config(
    data__train_path=checkout / "all.conllu", num_steps=40
  )[1:]
  return subprocess.run(
    ["bash", "launch/ablate.sh", "grid.py", *flags],
    cwd=checkout,
    env={**programs.ENVIRONMENT, "PYTHONPATH": "", "JAX_PLATFORMS": "cpu"}
    | {"JAX_COMPILATION_CACHE_DIR": os.fspath(checkout / "cache")},
    capture_output=True,
    text=True,
    timeout=600,
  )


@pytest.mark.ci
def test_a_grid_ends_in_a_report_and_goes_on(checkout):
  arguments = ["strategy=uniform"]
  done = ablate(checkout, arguments)
  assert done.returncode == 0, done.stdout + done.stderr
  assert done.stdout.endswith("wrote runs/grid/report.html\n")
  # Two more runs; the first two are found finished.
  arguments.append("strategy=mirror_ascent,step_size=0.5")
  done = ablate(checkout, arguments)
  assert done.returncode == 0, done.stdout + done.stderr
  assert "[4/4] strategy=mirror_ascent,step_size=0.5/seed1" in done.stdout
  log = checkout / "runs/grid/logs/strategy=uniform/seed0.log"
  assert "continues at step 40 of 40" in log.read_text()
  report = json.loads((checkout / "runs/grid/report.json").read_text())
  methods = [run["method"] for run in report["runs"]]
  assert methods == ["uniform"] * 2 + ["mirror_ascent"] * 2
  done = ablate(checkout, ["strategy=nothing"])
  assert done.returncode == 2
  assert "'strategy=nothing'" in done.stderr
