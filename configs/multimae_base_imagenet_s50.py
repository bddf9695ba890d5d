r"""MultiMAE, ViT-base, on ImageNet-S50 with pseudo-labels: the paper's size.

Claim: none yet; not yet run. It is the plan of the paper's upstream run, as far
as it is known: batch of 2,048; RGB, depth and semantic segmentation in and out;
98 of 588 patches shown; 800 epochs, 40 of them warm-up. The paper's temperature
and schedule of weights are not known.

Command: the pictures with the depth and the 133 classes of COCO that other
networks found in them stand as FOLDER/train/rgb/CLASS/x.jpg, .../depth/CLASS/
x.png, .../semseg/CLASS/x.png, and likewise FOLDER/val:
  python -m taskrobust_jax.prepare \
    --config=configs/multimae_base_imagenet_s50.py \
    --config.data.sources="('multimodal_folder=FOLDER',)" --data_dir=DIR
  python -m taskrobust_jax.pretrain \
    --config=configs/multimae_base_imagenet_s50.py --data_dir=DIR --workdir=DIR
Baselines: `:strategy=uniform`; `:through_softmax=True` for the gradient of the
smoothed maximum as the first author's earlier code has it; mirror ascent as in
the other configs: `:strategy=mirror_ascent,signal=relative_to_start`.
Hardware, wall time, numbers: not yet run.

25,170 steps are 800 epochs of 64,431 pictures; the learning rate is MultiMAE's
1e-4 for 256 rows.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.masked_autoencoder(
    text,
    size="base",
    strategy="softmax_weighted",
    arguments={"temperature": 1.0},
    inputs=("rgb", "depth", "semseg"),
    outputs=("rgb", "depth", "semseg"),
  )
  config.num_steps = 25_170
  config.batch_size = 2048
  config.data.sources = ("multimodal_folder=FOLDER",)
  # Only their number matters.
  config.data.multimodal_folder.class_names = tuple(
    f"class_{label}" for label in range(133)
  )
  config.optimizer.learning_rate = 8e-4
  config.optimizer.warmup_steps = 1_258
  return config
