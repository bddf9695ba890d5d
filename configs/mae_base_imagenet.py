r"""MAE with ViT-base on ImageNet, the plain case of one task; and MaskFeat.

Claim: none yet; not yet run. One task has nothing to be weighted: it is what
the cases of several tasks are compared with.

Command, with ImageNet prepared for TensorFlow Datasets (see the README):
  python -m taskrobust_jax.prepare --config=configs/mae_base_imagenet.py \
    --data_dir=DIR
  python -m taskrobust_jax.pretrain --config=configs/mae_base_imagenet.py \
    --data_dir=DIR --workdir=DIR
`:outputs=("hog",)` recovers MaskFeat's target at MaskFeat's share of hidden
patches, .40; the architecture stays MAE's, whose encoder sees the visible ones
alone. From your own folders: --config.data.sources="('image_folder=PATH',)".
Hardware, wall time, numbers: not yet run.

Settings are MAE's: 800 epochs of 1,281,167 pictures, 40 of them warm-up,
learning rate 1.5e-4 for 256 rows. Different are the gradient's clipping, and
crops, which are cut from pictures of 224 px: `prepare` resizes once.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.masked_autoencoder(
    text,
    size="base",
    strategy="uniform",
    arguments={},
    inputs=("rgb",),
    outputs=("rgb",),
    decoder=(8, 512, 16),
  )
  config.num_steps = 250_000
  config.batch_size = 4096
  config.data.sources = ("tfds:imagenet2012",)

  is_maskfeat = config.tasks.outputs == ("hog",)
  config.tasks.num_visible = 118 if is_maskfeat else 49  # Of 196.
  config.model.has_cross_attention = False
  config.model.shares_decoder = True  # It is one.

  config.optimizer.learning_rate = 2.4e-3
  config.optimizer.warmup_steps = 12_500

  config.evaluation.every = 5_000
  config.evaluation.batch_size = 1024
  config.evaluation.max_rows = 10_240
  config.checkpoint.every = 5_000
  return config
