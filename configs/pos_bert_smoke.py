r"""A small BERT on Python's own documentation, in seconds on a laptop's CPU.

Claim: none; it shows the whole line at work. The worst task is expected to end
lower under minimax than under averaging, at some cost to the mean.

Command:
  python -m taskrobust_jax.prepare --config=configs/pos_bert_smoke.py \
    --data_dir=runs/smoke/data
  python -m taskrobust_jax.pretrain --config=configs/pos_bert_smoke.py \
    --data_dir=runs/smoke/data --workdir=runs/smoke/minimax
Baselines: `:strategy=uniform`, and `:ordinary` for ordinary masked language
modelling (one task, 15 % of all pieces).
Hardware, wall time, numbers: see the README's quickstart.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring
from taskrobust_jax.data.part_of_speech import UPOS_TAGS

GROUPS = {
  "nouns": ("NOUN", "PROPN"),
  "verbs": ("VERB", "AUX"),
  "modifiers": ("ADJ", "ADV"),
  "function_words": ("ADP", "DET", "PRON", "CCONJ", "SCONJ", "PART"),
}


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  options, minimax = configuring.parse(
    text,
    strategy="mirror_ascent",
    arguments={"step_size": 0.1, "smoothing": 0.1},
    ordinary=False,
  )
  config = ConfigDict()
  config.seed = 0
  config.num_steps = 300
  config.batch_size = 32
  config.log_every = 10

  config.data = ConfigDict()
  config.data.source = "python_docs"
  config.data.train_path = ""
  config.data.eval_path = ""
  config.data.eval_share = 0.05
  config.data.tagger = "pattern"
  config.data.vocabulary_size = 2048
  config.data.row_length = 64
  config.data.digest = ""  # Fill in to insist on one dataset.

  config.tasks = ConfigDict()
  config.tasks.groups = {"all": UPOS_TAGS} if options.ordinary else GROUPS
  # Of a row's words of the group; at most max_share of the row's pieces.
  config.tasks.word_fraction = 1.0 if options.ordinary else 0.5
  config.tasks.max_share = 0.15

  config.model = ConfigDict()
  config.model.num_layers = 2
  config.model.width = 64
  config.model.num_heads = 2
  config.model.mlp_width = 256
  config.model.dropout_rate = 0.0
  config.model.dtype = "float32"
  config.model.unroll = True

  config.minimax = minimax

  config.optimizer = ConfigDict()
  config.optimizer.learning_rate = 3e-3
  config.optimizer.warmup_steps = 30
  config.optimizer.b1 = 0.9
  config.optimizer.b2 = 0.999
  config.optimizer.eps = 1e-6
  config.optimizer.weight_decay = 0.01
  config.optimizer.clip_norm = 1.0

  config.mesh = ConfigDict({"data": -1, "fsdp": 1})

  config.evaluation = ConfigDict()
  config.evaluation.every = 50
  config.evaluation.batch_size = 64
  config.evaluation.max_rows = 128  # 0 for all.

  config.checkpoint = ConfigDict({"every": 100, "keep_latest": 2})
  return config
