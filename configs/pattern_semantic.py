r"""Pattern against semantics on procedural scenes: who starves under averaging?

Claim: see notebooks/results/pattern_semantic.json. RGB, HOG and edges are
patterns, normals and classes are semantic; a third of the patches of RGB is
shown. With three pattern tasks of five, averaging may spend the encoder on
patterns.

Command (trains every case, three seeds, and probes the frozen encoders):
  python -m taskrobust_jax.benchmarks.pattern_semantic
One case alone:
  python -m taskrobust_jax.pretrain --config=configs/pattern_semantic.py \
    --workdir=DIR
Hardware, wall time, numbers: in that file.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring

PATTERN = ("rgb", "hog", "edges")
SEMANTIC = ("normals", "semseg")


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.masked_autoencoder(
    text,
    size="tiny",
    strategy="mirror_ascent",
    arguments={
      "step_size": 0.02,
      "smoothing": 0.1,
      "signal": "relative_to_start+ema",
      "decay": 0.9,
    },
    inputs=("rgb",),
    outputs=PATTERN + SEMANTIC,
    decoder=(1, 32, 2),
  )
  config.num_steps = 300
  config.batch_size = 16
  config.log_every = 20

  config.data.image_size = 48
  config.data.train_rows = 1024
  config.data.eval_rows = 256
  config.data.crop_scale = (1.0, 1.0)
  config.data.flip = 0.0

  config.tasks.patch = 8
  config.tasks.num_visible = 12  # Of 36.
  config.model.encoder.num_layers = 3
  config.model.encoder.width = 64
  config.model.encoder.num_heads = 4
  config.model.encoder.mlp_width = 256
  for part in (config.model.encoder, config.model.decoder):
    part.dtype = "float32"
    part.unroll = True

  config.optimizer.learning_rate = 1e-3
  config.optimizer.warmup_steps = 30

  config.evaluation.every = 100
  config.evaluation.batch_size = 64
  config.checkpoint.every = 100
  return config
