r"""BERT-large with part-of-speech tasks on a TPU pod: 4,096 rows of 512 a step.

Claim: none yet; not yet run.

Command, on v5e-256 (see configs/pos_bert_base_pod.py):
  python -m taskrobust_jax.pretrain --pod=auto \
    --config=configs/pos_bert_large_pod.py --data_dir=DIR --workdir=DIR
What its step costs there, by the TPU compiler and without a TPU:
  python -m taskrobust_jax.compile --config=configs/pos_bert_large_pod.py \
    --topology=v5e:16x16
Baselines: `:strategy=uniform` and `:ordinary`.
Hardware, wall time, numbers: not yet run.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.pos_bert(
    text,
    size="large",
    strategy="mirror_ascent",
    arguments=configuring.ASCENT,
  )
  config.num_steps = 125_000
  config.batch_size = 4096
  config.data.row_length = 512
  config.model.remat = True
  config.optimizer.learning_rate = 2e-4
  config.evaluation.batch_size = 1024
  config.evaluation.max_rows = 16_384
  return config
