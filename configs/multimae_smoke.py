r"""A small multi-modal masked autoencoder on procedural scenes, on a CPU.

Claim: none; it shows the vision line at work. 24 of 64 patches of RGB are
shown, six modalities are recovered, a task each, by one small decoder and six
output layers: on a CPU a step with six decoders takes almost three times as
long (`--config.model.shares_decoder=False`).

Command (scenes need no files):
  python -m taskrobust_jax.pretrain --config=configs/multimae_smoke.py \
    --workdir=runs/multimae/minimax
Baselines: `:strategy=uniform`; fewer tasks: `:outputs=("rgb","depth")`.
Hardware, wall time: `launch/quickstart.sh vision` took 478 s on 2 cores with
nothing else to do (a median of 156 images/s in training), 626 s on one.
Held-out at step 1,500, seed 0, averaging / minimax: rgb .025/.027, hog
.052/.052, edges .006/.006, depth .684/.673, normals .133/.134, semseg
.916/.926 (66.4 / 65.8 % right). Minimax put .41 of its weight on depth and .27
on classes; depth gained a little, classes lost as much.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring

OUTPUTS = ("rgb", "hog", "edges", "depth", "normals", "semseg")


def get_config(
  text: str = "", outputs: tuple[str, ...] = OUTPUTS
) -> ConfigDict:
  """The config.

  Args:
    text: What stands after the colon of `--config`.
    outputs: Modalities that are recovered unless `text` says which.
  """
  config = configuring.masked_autoencoder(
    text,
    size="tiny",
    strategy="mirror_ascent",
    # Losses of pixels, depths and classes have no common scale.
    arguments={
      "step_size": 0.05,
      "smoothing": 0.01,
      "signal": "relative_to_start+ema",
      "decay": 0.9,
    },
    inputs=("rgb",),
    outputs=outputs,
    decoder=(1, 96, 4),
  )
  config.num_steps = 1_500
  config.batch_size = 16
  config.log_every = 50

  config.data.image_size = 64
  config.data.train_rows = 4_096
  config.data.eval_rows = 128
  config.data.crop_scale = (1.0, 1.0)  # There are scenes enough.
  config.data.flip = 0.0

  config.tasks.patch = 8
  config.tasks.num_visible = 24  # Of 64.
  # The colours of a patch, and not its texture alone, are to be recovered.
  config.tasks.normalise_pixels = False
  config.model.shares_decoder = True
  config.model.encoder.num_layers = 4
  config.model.encoder.width = 96
  config.model.encoder.num_heads = 4
  config.model.encoder.mlp_width = 384
  for part in (config.model.encoder, config.model.decoder):
    part.dtype = "float32"
    part.unroll = True

  config.optimizer.learning_rate = 2e-3
  config.optimizer.warmup_steps = 50

  config.evaluation.every = 250
  config.evaluation.batch_size = 64
  config.checkpoint.every = 500
  return config
