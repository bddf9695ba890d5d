"""The calls of programs that a group of the study's runs is made of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import pathlib

import numpy as np

from taskrobust_jax.errors import InputError
from taskrobust_jax.report import evidence
from taskrobust_jax.report.evidence import PreTraining, Probe
from taskrobust_jax.report.evidence_page import FILES
from taskrobust_jax.report.read import read_json, read_run
from taskrobust_jax.report.results import read_fine_tuning
from taskrobust_jax.study import grid
from taskrobust_jax.study.runner import Job
from taskrobust_jax.train import references

_CONFIG, _TUNING = "configs/pos_bert_study.py", "configs/finetune_study.py"
_PROBE_SHARE = 20  # A forecast's runs take so small a part of the steps.
_JUDGED = "judged.json"  # In a run's folder.
_REFERENCES = "references.json"
_RUNS, _SCORES, _PROBES = FILES


@dataclasses.dataclass(frozen=True)
class Maker:
  """Makes the jobs of groups.

  Attributes:
    out: Folder of the runs.
    results: Folder of the lines.
    folders: Where "treebank", "novels" and "glue" lie.
    steps: Of a run.
    pretrain_flags: More flags of `prepare`, `pretrain` and `calibrate`.
    finetune_flags: More flags of `finetune`.
  """

  out: pathlib.Path
  results: pathlib.Path
  folders: Mapping[str, pathlib.Path]
  steps: int
  pretrain_flags: Sequence[str] = ()
  finetune_flags: Sequence[str] = ()

  def stages(self, group: grid.Group) -> list[list[Job]]:
    """Lists of jobs, one after the other; those of a list go side by side."""
    setting = group.setting
    runs = [(m, seed) for seed in group.seeds for m in group.methods]
    tuned = [(m.name, seed) for m, seed in runs]
    if grid.AVERAGING in group.methods:
      tuned += [(evidence.UNTRAINED, seed) for seed in group.seeds]
    return [
      [self._data(setting)],
      [self._probe(setting), self._references(setting)]
      + [self._run(group, *run) for run in runs if not _waits(run[0])],
      [self._run(group, *run) for run in runs if _waits(run[0])],
      [
        self._fine_tuning(group, *model, mode)
        for mode in group.modes
        for model in tuned
      ],
    ]

  def _data(self, setting: grid.Setting) -> Job:
    def calls():
      if "perceptron" in setting.tagger and not self._tagger.exists():
        yield (
          "prepare",
          f"--train_tagger={self._treebank('train')}",
          f"--tagger_path={self._tagger}",
        )
      yield (
        "prepare",
        *self._config(setting, "strategy=uniform"),
        f"--data_dir={self._data_dir(setting)}",
        "--num_workers=1",
      )

    return Job(f"data/{setting.data}", calls)

  def _references(self, setting: grid.Setting) -> Job:
    """One run a task; the adversary's curves, and the lines of the excess."""
    folder = self.out / setting.folder / "calibrate"

    def calls():
      yield self._calibrate(setting, "single", folder, folder / _REFERENCES)
      for run in folder.glob("single_*"):
        yield self._evaluate(setting, run)

    def collect():
      self._keep(
        _RUNS,
        [
          evidence.of_run(
            read_run(run),
            run / _JUDGED,
            setting.name,
            evidence.REFERENCE,
            evidence.single_method(run.name.removeprefix("single_")),
          )
          for run in folder.glob("single_*")
        ],
      )

    return Job(f"{setting.folder}/references", calls, collect)

  def _probe(self, setting: grid.Setting) -> Job:
    """Short runs, whose cosines and excess forecast the gain."""
    folder = self.out / setting.folder / "probe"
    steps = max(1, self.steps // _PROBE_SHARE)

    def calls():
      for how in ("averaged", "single"):
        file = folder / f"{how}.json"
        yield (
          *self._calibrate(setting, how, folder, file),
          *_steps(steps),
          f"--config.evaluation.every={steps}",
          f"--config.checkpoint.every={steps}",
        )

    def collect():
      averaged, single = (
        references.read(folder / f"{how}.json")
        for how in ("averaged", "single")
      )
      names = averaged.made_from["task_names"]
      found = (
        averaged.cosines,
        averaged.curves["held_out"].losses[-1],
        single.curves["held_out"].losses[-1],
      )
      probe = Probe(
        setting.name, steps, names, *(np.round(x, 4).tolist() for x in found)
      )
      self._keep(_PROBES, [probe])

    return Job(f"{setting.folder}/probe", calls, collect)

  def _run(self, group: grid.Group, method: grid.Method, seed: int) -> Job:
    setting = group.setting
    folder = self._folder(group, method.name, seed)

    def calls():
      yield (
        "pretrain",
        *self._config(setting, self._arguments(group, method)),
        *method.flags,
        f"--config.seed={seed}",
        f"--data_dir={self._data_dir(setting)}",
        f"--workdir={folder}",
      )
      yield self._evaluate(setting, folder)

    def collect():
      line = evidence.of_run(
        read_run(folder),
        folder / _JUDGED,
        setting.name,
        group.purpose,
        method.name,
      )
      self._keep(_RUNS, [line])

    return Job(str(folder.relative_to(self.out)), calls, collect)

  def _fine_tuning(
    self, group: grid.Group, name: str, seed: int, mode: str
  ) -> Job:
    is_trained = name != evidence.UNTRAINED
    run = self._folder(group, name if is_trained else evidence.UNIFORM, seed)
    folder = (
      self.out
      / "finetune"
      / mode
      / self._folder(group, name, seed).relative_to(self.out)
    )

    def calls():
      yield (
        "finetune",
        f"--config={_TUNING}{':frozen' if mode == 'frozen' else ''}",
        f"--from={run if is_trained else f'random:{run}'}",
        f"--tasks={','.join(grid.TASKS)}",
        f"--data_dir={self.folders['glue']}",
        f"--config.tagging.train_path={self._treebank('train')}",
        f"--config.tagging.eval_path={self._treebank('dev')}",
        f"--num_examples={','.join(map(str, group.sizes))}",
        f"--seeds={','.join(map(str, grid.TUNING_SEEDS))}",
        f"--workdir={folder}",
        *self.finetune_flags,
      )

    def collect():
      self._keep(
        _SCORES,
        evidence.of_fine_tuning(
          read_fine_tuning(folder), group.setting.name, group.purpose, name
        ),
      )

    return Job(str(folder.relative_to(self.out)), calls, collect)

  def _config(self, setting: grid.Setting, arguments: str) -> Iterator[str]:
    """Flags of the config; those given by hand come last and so count."""
    text = ",".join((setting.text, *setting.arguments, arguments))
    yield f"--config={_CONFIG}:{text}"
    if setting.text == "novels":
      yield f"--config.data.train_path={self.folders['novels']}/*.txt"
    else:
      yield f"--config.data.train_path={self._treebank('train')}"
      yield f"--config.data.eval_path={self._treebank('dev')}"
    if setting.tagger == "perceptron":
      yield f"--config.data.tagger_path={self._tagger}"
    yield from _steps(self.steps)
    yield from setting.flags
    yield from self.pretrain_flags

  def _calibrate(self, setting, how, folder, file) -> tuple[str, ...]:
    return (
      "calibrate",
      *self._config(setting, "strategy=uniform"),
      f"--how={how}",
      f"--data_dir={self._data_dir(setting)}",
      f"--workdir={folder}",
      f"--out={file}",
    )

  def _evaluate(self, setting, run: pathlib.Path) -> tuple[str, ...]:
    return (
      "evaluate",
      f"--workdir={run}",
      f"--data_dir={self._data_dir(setting)}",
      "--second_half",
      f"--out={run / _JUDGED}",
    )

  def _arguments(self, group: grid.Group, method: grid.Method) -> str:
    try:
      return method.arguments.format(**self._found(group))
    except KeyError as error:
      raise InputError(
        f"{method.name} needs {error.args[0]} of {group.setting.name}, which "
        "no run has given yet"
      ) from error

  def _found(self, group: grid.Group) -> dict[str, str]:
    """What arguments of methods hold that earlier runs found."""
    folder = self.out / group.setting.folder
    found = {"references": str(folder / "calibrate" / _REFERENCES)}
    lines = sorted(
      (
        line
        for line in evidence.read(self.results / _RUNS, PreTraining)
        if line.setting == group.setting.name
      ),
      key=lambda line: (line.purpose != group.purpose, line.seed),
    )
    of_method = {line.method: line for line in reversed(lines)}
    averaged = of_method.get(evidence.UNIFORM)
    if averaged is None:
      return found
    tasks = list(averaged.screen)
    single = [of_method.get(evidence.single_method(task)) for task in tasks]
    if None not in single:
      over = [
        max(averaged.screen[task] - x.screen[task], 0.0)
        for task, x in zip(tasks, single, strict=True)
      ]
      found["shares_of_excess"] = _weights(over)
    run = self._folder(group, evidence.UNIFORM, averaged.seed) / _JUDGED
    if run.exists():
      judged = read_json(run)
      counts = [judged[f"eval/count/{task}"] for task in tasks]
      found["shares_of_counts"] = _weights(counts)
      found["adjustments"] = f"({','.join(f'{n**-0.5:.6f}' for n in counts)})"
    ascended = of_method.get(grid.ADAPTIVE[2].name)
    if ascended is not None:
      found["mean_weights"] = _weights(ascended.weights.values())
    return found

  def _keep(self, name: str, lines: Sequence[evidence.Line]) -> None:
    evidence.merge(self.results / name, lines)

  def _folder(self, group: grid.Group, name: str, seed: int) -> pathlib.Path:
    place = self.out / group.setting.folder / group.purpose
    return place / name.replace(" ", "_") / f"seed{seed}"

  def _data_dir(self, setting: grid.Setting) -> pathlib.Path:
    return self.out / "data" / setting.data

  def _treebank(self, split: str) -> pathlib.Path:
    return self.folders["treebank"] / f"{split}.conllu.gz"

  @property
  def _tagger(self) -> pathlib.Path:
    return self.out / "tagger.json"


def _waits(method: grid.Method) -> bool:
  """Whether a method is made from what earlier runs found."""
  return "{" in method.arguments


def _steps(steps: int) -> tuple[str, str]:
  return (
    f"--config.num_steps={steps}",
    f"--config.optimizer.warmup_steps={steps // 10}",
  )


def _weights(values: Iterable[float]) -> str:
  """Shares of a sum, as a strategy's argument; equal ones if it is 0."""
  values = list(values)
  total = sum(values)
  shares = [v / total if total else 1 / len(values) for v in values]
  return f"({','.join(f'{share:.4f}' for share in shares)})"
