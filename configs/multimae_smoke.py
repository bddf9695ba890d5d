r"""A small multi-modal masked autoencoder on procedural scenes, on a CPU.

Claim: none; it shows the vision line at work. A third of the patches of RGB are
shown, six modalities are recovered, a task each.

Command (scenes need no files):
  python -m taskrobust_jax.pretrain --config=configs/multimae_smoke.py \
    --workdir=runs/multimae/minimax
Baselines: `:strategy=uniform`; fewer tasks: `:outputs=("rgb","depth")`.
Hardware, wall time, numbers: not yet run to its end.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.masked_autoencoder(
    text,
    size="tiny",
    strategy="mirror_ascent",
    # Losses of pixels, depths and classes have no common scale.
    arguments={
      "step_size": 0.02,
      "smoothing": 0.1,
      "signal": "relative_to_start+ema",
      "decay": 0.9,
    },
    inputs=("rgb",),
    outputs=("rgb", "hog", "edges", "depth", "normals", "semseg"),
    decoder=(1, 64, 4),
  )
  config.num_steps = 300
  config.batch_size = 16
  config.log_every = 10

  config.data.image_size = 96
  config.data.train_rows = 2048
  config.data.eval_rows = 128
  config.data.crop_scale = (1.0, 1.0)  # There are scenes enough.
  config.data.flip = 0.0

  config.tasks.num_visible = 12  # Of 36.
  config.model.encoder.num_layers = 4
  config.model.encoder.width = 96
  config.model.encoder.num_heads = 4
  config.model.encoder.mlp_width = 384
  for part in (config.model.encoder, config.model.decoder):
    part.dtype = "float32"
    part.unroll = True

  config.optimizer.learning_rate = 1e-3
  config.optimizer.warmup_steps = 30

  config.evaluation.every = 100
  config.evaluation.batch_size = 64
  config.checkpoint.every = 100
  return config
