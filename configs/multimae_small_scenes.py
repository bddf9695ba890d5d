r"""ViT-small that is shown RGB, depth and classes of procedural scenes.

Claim: none yet; not yet run. It is the plan of a run on one accelerator whose
data need no download.

Command (written to disk first: a core makes about 150 scenes a second, and they
are read 100 times):
  python -m taskrobust_jax.prepare --config=configs/multimae_small_scenes.py \
    --data_dir=DIR
  python -m taskrobust_jax.pretrain --config=configs/multimae_small_scenes.py \
    --data_dir=DIR --workdir=DIR
Baselines: `:strategy=uniform`; fewer tasks: `:outputs=("rgb","depth")`.
Hardware, wall time, numbers: not yet run.

Patches are of 8 pixels; of 432 a sixth is shown, as in MultiMAE (98 of 588).
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.masked_autoencoder(
    text,
    size="small",
    strategy="mirror_ascent",
    # Losses of pixels, depths and classes have no common scale.
    arguments={
      "step_size": 0.02,
      "smoothing": 0.1,
      "signal": "relative_to_start+ema",
      "decay": 0.9,
    },
    inputs=("rgb", "depth", "semseg"),
    outputs=("rgb", "hog", "edges", "depth", "normals", "semseg"),
  )
  config.num_steps = 40_000
  config.data.image_size = 96

  config.tasks.patch = 8
  config.tasks.num_visible = 72

  config.optimizer.warmup_steps = 2_000
  return config
