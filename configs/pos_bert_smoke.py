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


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.pos_bert(
    text,
    size="tiny",
    strategy="mirror_ascent",
    arguments={"step_size": 0.1, "smoothing": 0.1},
  )
  config.num_steps = 300
  config.batch_size = 32
  config.log_every = 10

  config.data.source = "python_docs"
  config.data.vocabulary_size = 2048
  config.data.row_length = 64

  config.model.width = 64
  config.model.mlp_width = 256
  config.model.dropout_rate = 0.0
  config.model.dtype = "float32"
  config.model.unroll = True

  config.optimizer.learning_rate = 3e-3
  config.optimizer.warmup_steps = 30

  config.evaluation.every = 50
  config.evaluation.batch_size = 64
  config.evaluation.max_rows = 128
  config.checkpoint.every = 100
  return config
