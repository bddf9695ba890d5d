"""What the study compares: settings and methods; see notebooks/study_plan.md.

Texts of arguments hold {references}, {adjustments} and the like, which
`placeholders` fill in when the runs that they are made from have ended.
"""

import re
from typing import NamedTuple

from taskrobust_jax.report.evidence import UNIFORM

STEPS = 3_000
COMPARISON, SCREEN, PILOT = "comparison", "screen", "pilot"
TASKS = (
  *("SST-2", "MRPC", "STS-B", "CoLA", "WNLI"),
  *("tagging", "agreement"),
)
PICTURE_TASKS = (
  *("scenes_classes", "scenes_segmentation", "scenes_depth"),
  "scenes_normals",
)
# On these a pilot told a pre-trained model from an untrained one, on SST-2 not;
# the others were not tried.
TASKS_IN_FULL = ("tagging", "agreement")
SIZES = (64, 256, 1_024, 0)
RATES = (1e-3, 2e-3, 5e-3)  # Besides the config's own.
_EXCESS = "signal=excess_over+ema,decay=0.9,reference_losses={references}"
_RELATIVE = "signal=relative_to_start+ema,decay=0.9"
_RAW = "signal=ema,decay=0.9"
_HELD_OUT = (
  "signal=held_out+excess_over+ema,held_out_every=50,decay=0.5,"
  "reference_losses={references}"
)
_BY_WEIGHT = ("--config.tasks.budget=rows_by_weight",)


class Setting(NamedTuple):
  """What runs must share to be compared.

  Attributes:
    name: Of its folder.
    source: "novels", "treebank" or "scenes".
    arguments: Of the config, besides those of a method.
    flags: Of the config.
    length: Steps of a run, of those of the study.
    groups: Its tasks, as an argument of the config; the data know nothing of
      them.
    has_references: Whether a model is trained for each task alone, and a
      forecast made. Without it raw losses are told.
  """

  name: str
  source: str
  arguments: tuple[str, ...] = ()
  flags: tuple[str, ...] = ()
  length: float = 1.0
  groups: str = ""
  has_references: bool = True

  @property
  def folder(self) -> str:
    """Of its runs."""
    return self.name.replace(" ", "_")

  @property
  def data(self) -> str:
    """The folder of its data, which a model's size does not change."""
    return re.sub(r"\W", "_", "_".join((self.source, *self.arguments)))

  @property
  def tagger(self) -> str:
    """The tagger of its parts of speech; "" where it is split otherwise."""
    of_source = {"novels": "perceptron", "treebank": "gold", "scenes": ""}
    return "" if self.arguments else of_source[self.source]


def tuning_seeds(setting: Setting, mode: str) -> tuple[int, ...]:
  """Of fine-tuning; one where a step costs as much as one of pre-training."""
  is_cheap = mode == "frozen" and setting.source != "scenes"
  return (0, 1, 2) if is_cheap else (0,)


class Method(NamedTuple):
  """A way to pre-train: arguments of the config, and flags."""

  name: str
  arguments: str
  flags: tuple[str, ...] = ()


class Group(NamedTuple):
  """Runs that may go side by side once what stands before them has ended.

  Attributes:
    setting: Of all of them.
    purpose: See `evidence.PreTraining`.
    methods: Theirs.
    seeds: Of each method.
    modes: Of fine-tuning, () for none.
    sizes: Numbers of downstream examples, 0 for all.
  """

  setting: Setting
  purpose: str
  methods: tuple[Method, ...]
  seeds: tuple[int, ...]
  modes: tuple[str, ...] = ()
  sizes: tuple[int, ...] = SIZES


def softmax(temperature: float | tuple, signal: str = _EXCESS) -> str:
  """Arguments of `softmax_weighted`."""
  return f"strategy=softmax_weighted,temperature={temperature},{signal}"


def mirror(
  step_size: float | tuple,
  signal: str = _EXCESS,
  smoothing: float = 0.1,
  strategy: str = "mirror_ascent",
) -> str:
  """Arguments of `mirror_ascent`, or of its optimistic form."""
  return (
    f"strategy={strategy},step_size={step_size},smoothing={smoothing},{signal}"
  )


NOVELS, TREEBANK = (Setting(name, name) for name in ("novels", "treebank"))
# The novels once more: its seeds and references stand apart.
FINE_TUNED = Setting("novels fine-tuned", "novels")
SCENES = Setting("scenes", "scenes", length=0.5)
LENGTHS = (
  Setting("novels third", "novels", length=1 / 3),
  Setting("novels double", "novels", length=2.0),
)
TINY = Setting(
  "novels tiny",
  "novels",
  flags=("--config.model.width=128", "--config.model.mlp_width=512"),
)
# At the rate of all others one of nine runs of `TINY` did not learn.
TINY_SLOWER = TINY._replace(
  name="novels tiny at 0.002",
  flags=(*TINY.flags, "--config.optimizer.learning_rate=0.002"),
)
MINI = Setting(
  "novels mini",
  "novels",
  flags=(
    *("--config.model.num_layers=4", "--config.model.num_heads=4"),
    *("--config.model.width=256", "--config.model.mlp_width=1024"),
    "--config.optimizer.learning_rate=0.001",  # No pilot: by its width.
  ),
)
AVERAGING = Method(UNIFORM, "strategy=uniform")
ORDINARY = Method("ordinary", "ordinary,strategy=uniform")
ADAPTIVE = tuple(
  Method(f"{name}{more}", arguments, flags)
  for name, arguments in (
    ("softmax_weighted", softmax(0.3)),
    ("mirror_ascent", mirror(0.02)),
    (
      "group_dro",
      "strategy=group_dro,step_size=0.01,adjustments={adjustments}",
    ),
  )
  for more, flags in (("", ()), (" by rows", _BY_WEIGHT))
)
FIXED = tuple(
  Method(f"fixed {name}", f"strategy=fixed,weights={{{key}}}")
  for name, key in (
    ("by excess", "shares_of_excess"),
    ("by counts", "shares_of_counts"),
    ("by ascent", "mean_weights"),
  )
)
# Two stages: weights that minimax found for the smaller model.
FROM_SMALL = Method(
  "fixed from small", "strategy=fixed,weights={small_weights}"
)
# While a run stands on the plateau of word frequencies, weights that move hard
# keep it there: so they begin with none of it.
SCHEDULES = (
  Method("mirror_ascent 0.0 to 0.5", mirror((0.0, 0.5))),
  Method("softmax_weighted 3.0 to 0.1", softmax((3.0, 0.1))),
)
SCREENS = (
  *(Method(f"softmax_weighted {t}", softmax(t)) for t in (0.1, 1.0, 3.0)),
  *(Method(f"mirror_ascent {s}", mirror(s)) for s in (0.005, 0.1, 0.5, 2.0)),
  Method("softmax_weighted 0.1 by rows", softmax(0.1), _BY_WEIGHT),
  *(
    Method(f"mirror_ascent {s} by rows", mirror(s), _BY_WEIGHT)
    for s in (0.1, 0.5)
  ),
  Method("optimistic 0.5", mirror(0.5, strategy="optimistic_mirror_ascent")),
  *SCHEDULES,
  Method("mirror_ascent 0.5 unsmoothed", mirror(0.5, smoothing=0.0)),
  Method("mirror_ascent 0.5 relative", mirror(0.5, _RELATIVE)),
  Method("mirror_ascent 0.5 held-out excess", mirror(0.5, _HELD_OUT)),
  Method("mirror_ascent 0.1 raw", mirror(0.1, _RAW)),
  *(
    Method(f"mirror_ascent {name}", mirror(0.02, signal))
    for name, signal in (
      ("raw", _RAW),
      ("relative", _RELATIVE),
      ("held-out excess", _HELD_OUT),
    )
  ),
)
# Of pictures, whose losses share no scale: how many times its reference a loss
# is.
LOG_RATIO = Method(
  "mirror_ascent 0.1 log ratio",
  mirror(0.1, "signal=log_ratio+ema,decay=0.9,nadir={last_references}"),
)
# Of the screens of one seed the lowest worst excess, and its mean weights from
# the start.
WINNER = next(m for m in SCREENS if m.name == "mirror_ascent 0.5")
BY_EXCESS, BY_ASCENT = (
  next(m for m in FIXED if m.name == name)
  for name in ("fixed by excess", "fixed by ascent")
)
# What configs of pictures have, whose losses share no scale.
RELATIVE = next(m for m in SCREENS if m.name == "mirror_ascent relative")
# What configs of text have: it needs no references.
RAW = next(m for m in SCREENS if m.name == "mirror_ascent raw")
# The mean of the params of some 300 steps, while the rate falls from a tenth.
AVERAGED = tuple(
  method._replace(
    name=f"{method.name} averaged",
    flags=("--config.optimizer.average_decay=0.9967",),
  )
  for method in (AVERAGING, RAW)
)
# Held-out rows stand as their documents do, and a cluster may come late: the
# whole half that screens, less the adversary's rows.
_MANY_ROWS = ("--config.evaluation.max_rows=1755",)
SPLITS = tuple(
  Setting(
    f"novels {split.replace(':', ' ')}", "novels", (f"split={split}",), flags
  )
  for split, flags in (
    *(("word_frequency:4", ()), ("sentence_length:4", ())),
    *(("tfidf_cluster:4", _MANY_ROWS), ("difficulty", ())),
  )
)
BY_FREQUENCY = SPLITS[0]


def _quantiles(num_tasks: int) -> str:
  """Groups of the 16 quantiles of word frequency: neighbours are one task."""
  count = 16 // num_tasks
  groups = {
    f"quantile_{i + 1}": tuple(
      f"frequency_{i * count + j + 1}" for j in range(count)
    )
    for i in range(num_tasks)
  }
  return f"groups={groups}".replace(" ", "")


# One dataset, and tasks of one, two or four of its tags.
QUANTILES = tuple(
  Setting(
    f"novels {k} of 16 quantiles",
    "novels",
    ("split=word_frequency:16",),
    groups=_quantiles(k),
    has_references=k == 4,  # The others would be 24 runs.
  )
  for k in (4, 8, 16)
)
