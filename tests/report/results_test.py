"""Folders of strangers: whatever they hold, only InputError comes out."""

import contextlib
import json
import pathlib
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskrobust_jax.errors import InputError
from taskrobust_jax.report.cost import fine_tuning_table
from taskrobust_jax.report.results import read_fine_tuning
from taskrobust_jax.report.study import make_study
from taskrobust_jax.report.summary import (
  findings,
  paired_tests,
  summarise,
  warnings,
)
from tests.fuzz_test import VALUES

PRETRAINED = st.fixed_dictionaries(
  {"init": st.sampled_from(["run", "random", "weights"])},
  optional={
    "strategy": st.just("uniform(a=1)") | VALUES,
    "seed": st.just(0) | VALUES,
    "config": st.just({"model": {"width": 1}}) | VALUES,
    "num_examples": st.just(1) | VALUES,
    "workdir": VALUES,
  },
)
RESULT = {
  "task": "a",
  "seed": 0,
  "num_examples": 0,
  "score_name": "accuracy",
  "score": 0.5,
  "num_steps": 1,
  "num_train_rows": 1,
  "num_eval_rows": 1,
  "model_flops": 1.0,
  "seconds": 1.0,
}


@settings(
  max_examples=60,
  deadline=None,
  suppress_health_check=[HealthCheck.too_slow],
)
@given(
  st.fixed_dictionaries(
    {"kind": st.just("finetune"), "pretrained": PRETRAINED | VALUES},
    optional={"config": st.just({}) | VALUES, "versions": VALUES},
  ),
  st.dictionaries(st.sampled_from(sorted(RESULT)), VALUES, max_size=1),
)
def test_a_folder_of_fine_tunings(manifest, change):
  with tempfile.TemporaryDirectory() as folder:
    place = pathlib.Path(folder, "a/all/seed0")
    place.mkdir(parents=True)
    (place / "result.json").write_text(json.dumps(RESULT | change))
    manifest = json.dumps(manifest)
    pathlib.Path(folder, "manifest.json").write_text(manifest)
    with contextlib.suppress(InputError):
      study = make_study([read_fine_tuning(folder)])
      summaries = [summarise(study, scores) for scores in study.scores]
      warnings(study, summaries)
      findings(study, paired_tests(study))
      fine_tuning_table(study)


def test_what_is_whole_is_read(tmp_path):
  (tmp_path / "a/all/seed0").mkdir(parents=True)
  (tmp_path / "a/all/seed0/result.json").write_text(json.dumps(RESULT))
  pretrained = {"init": "run", "strategy": "uniform", "seed": 3}
  manifest = {"kind": "finetune", "pretrained": pretrained, "config": {}}
  (tmp_path / "manifest.json").write_text(json.dumps(manifest))
  (result,) = read_fine_tuning(tmp_path).results
  assert (result.score, result.cell.name) == (0.5, "a")
