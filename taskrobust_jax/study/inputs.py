"""What the study's programs are given: configs, data, downstream tasks."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import pathlib

from taskrobust_jax.study import grid

_PRETRAIN = {
  "novels": "configs/pos_bert_study.py:novels,",
  "treebank": "configs/pos_bert_study.py:treebank,",
  "scenes": "configs/multimae_smoke.py:",
}
# As configs/pos_bert_study.py has them: rows that screen, that the adversary
# may ask for, and in the second half of the split those that judge.
_SCENES_ROWS = (
  "--config.data.eval_rows=512",
  "--config.log_every=20",
  "--config.evaluation.max_rows=192",
  "--config.evaluation.adversary_rows=64",
  "--config.log_writer=none",
)
_SHARE_ASKED = 1 / 4  # Of a run that tells which words are hard.
_BY_MODE = {"frozen": ":frozen", "full": ""}


@dataclasses.dataclass(frozen=True)
class Inputs:
  """Flags of programs by setting.

  Attributes:
    out: Folder of the runs.
    folders: Where "treebank", "novels" and "glue" lie.
    steps: Of a run of pre-training, where its setting has no other.
    pretrain_flags: More flags of `prepare`, `pretrain` and `calibrate`.
    finetune_flags: More flags of `finetune`.
  """

  out: pathlib.Path
  folders: Mapping[str, pathlib.Path]
  steps: int
  pretrain_flags: Sequence[str] = ()
  finetune_flags: Sequence[str] = ()

  def pretraining(
    self, setting: grid.Setting, arguments: str, share: float = 1.0
  ) -> Iterator[str]:
    """Flags of the config; those given by hand come last and so count.

    Args:
      setting: Of the run.
      arguments: Those of the method.
      share: Of the setting's steps.
    """
    parts = (*setting.arguments, setting.groups, arguments)
    text = ",".join(filter(None, parts))
    yield f"--config={_PRETRAIN[setting.source]}{text}"
    if setting.source == "novels":
      yield f"--config.data.train_path={self.folders['novels']}/*.txt"
    elif setting.source == "treebank":
      yield f"--config.data.train_path={self._treebank('train')}"
      yield f"--config.data.eval_path={self._treebank('dev')}"
    else:
      yield from _SCENES_ROWS
    if setting.tagger == "perceptron":
      yield f"--config.data.tagger_path={self._tagger}"
    steps = max(1, round(self.steps * setting.length))
    yield f"--config.num_steps={steps}"
    yield f"--config.optimizer.warmup_steps={steps // 10}"
    yield from setting.flags
    yield from self.pretrain_flags
    if share < 1:
      # One evaluation and checkpoint, at the end.
      short = max(1, round(steps * share))
      yield f"--config.num_steps={short}"
      yield f"--config.optimizer.warmup_steps={short // 10}"
      yield f"--config.log_every={max(1, short // 10)}"
      yield f"--config.evaluation.every={short}"
      yield f"--config.checkpoint.every={short}"

  def data_dir(self, setting: grid.Setting) -> pathlib.Path:
    """Where `prepare` writes what a setting reads."""
    return self.out / "data" / setting.data

  def preparing(self, setting: grid.Setting) -> Iterator[tuple[str, ...]]:
    """Calls that write `data_dir`."""
    if setting.arguments == ("split=difficulty",):
      yield from self._by_difficulty(setting)
      return
    if setting.tagger == "perceptron" and not self._tagger.exists():
      yield (
        "prepare",
        f"--train_tagger={self._treebank('train')}",
        f"--tagger_path={self._tagger}",
      )
    yield (
      "prepare",
      *self.pretraining(setting, "strategy=uniform"),
      f"--data_dir={self.data_dir(setting)}",
      "--num_workers=1",
    )

  def _by_difficulty(self, setting) -> Iterator[tuple[str, ...]]:
    """Words by their loss in a short run of averaging over parts of speech."""
    whole = setting._replace(arguments=())
    yield from self.preparing(whole)
    run = self.out / setting.folder / "asked"
    data = f"--data_dir={self.data_dir(whole)}"
    yield (
      "pretrain",
      *self.pretraining(whole, "strategy=uniform", _SHARE_ASKED),
      *(data, f"--workdir={run}"),
    )
    yield (
      "tag_by_loss",
      *(f"--workdir={run}", data, f"--out_dir={self.data_dir(setting)}"),
    )

  def downstream(self, setting: grid.Setting, mode: str) -> tuple[str, ...]:
    """Flags of `finetune`: tasks and data."""
    if setting.source == "scenes":
      flags = (
        f"--config=configs/finetune_vision.py{_BY_MODE[mode]}",
        f"--tasks={','.join(grid.PICTURE_TASKS)}",
        "--config.scenes.eval_rows=512",
        "--config.num_epochs=10.0",
        "--config.least_steps=300",  # A step of pixels takes .1 s of a core.
        # It suits so small a model: launch/downstream_vision.sh.
        *(["--config.optimizer.learning_rate=2e-3"] if mode == "full" else []),
      )
    else:
      tasks = grid.TASKS_IN_FULL if mode == "full" else grid.TASKS
      flags = (
        f"--config=configs/finetune_study.py{_BY_MODE[mode]}",
        f"--tasks={','.join(tasks)}",
        f"--data_dir={self.folders['glue']}",
        f"--config.tagging.train_path={self._treebank('train')}",
        f"--config.tagging.eval_path={self._treebank('dev')}",
      )
    return (*flags, *self.finetune_flags)

  def _treebank(self, split: str) -> pathlib.Path:
    return self.folders["treebank"] / f"{split}.conllu.gz"

  @property
  def _tagger(self) -> pathlib.Path:
    return self.out / "tagger.json"
