r"""Classes, segmentation and depth, from a small masked autoencoder.

Claim: none; it shows what pre-training was good for, task by task.

Command (RUN is a folder of `pretrain` on pictures; scenes need no files):
  python -m taskrobust_jax.finetune --config=configs/finetune_vision.py \
    --from=RUN --tasks=scenes_classes,scenes_segmentation,scenes_depth \
    --seeds=0,1,2 --workdir=runs/finetune_vision/RUN
Others are read where the config says, such as camvid, tum_depth, tiny_imagenet:
  --tasks=camvid --config.pictures.camvid.source=camvid=PATH
Their layouts: data/pictures/image_folders.py; tfds:NAME was prepared before.
The other end of every scale: --from=random:RUN. Heads on a frozen encoder:
`:frozen`, which is linear probing for classes; k nearest neighbours, classes
only: `:neighbours`. All of it in one command:
`bash launch/downstream_vision.sh`.
Numbers: see the README (launch/downstream_vision.sh).
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring_transfer


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring_transfer.picture_fine_tuning(text)
  config.head.channels = 32
  config.head.cells = 2  # Of 4 pixels' width, as MultiMAE's 4 of a patch of 16.
  config.head.num_blocks = 2
  if config.mode == "full":
    config.num_epochs = 10.0
    config.optimizer.learning_rate = 1e-3  # Small models take larger ones.
  return config
