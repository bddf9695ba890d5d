r"""BERT-base with part-of-speech tasks on a TPU pod: 4,096 rows of 512 a step.

Claim: none yet; not yet run. It is the plan of a run at the field's size.

Command, on v4-32 (16 chips) or v5e-64 (64 chips; see launch/env.example.sh):
  bash launch/babysit_tpu.sh
or by hand, on every worker:
  python -m taskrobust_jax.pretrain --pod=auto \
    --config=configs/pos_bert_base_pod.py --data_dir=DIR --workdir=DIR
with DIR on a folder that all workers have mounted, prepared by
  python -m taskrobust_jax.prepare --config=configs/pos_bert_base_pod.py \
    --config.data.train_path='FOLDER/*.txt' --data_dir=DIR
Baselines: `:strategy=uniform` and `:ordinary`.
Hardware, wall time, numbers: not yet run. Memory by the TPU compiler: 5.1 GiB a
chip on 64 chips (v5e-64 has 16), 15.9 on 16 chips (v4-32 has 32); without
`model.remat` 16 chips would need 139.

125,000 steps of 4,096 rows are twice the rows of BERT's million steps of 256.
The learning rate is BERT's 1e-4 scaled by the square root of the batch size:
our choice.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.pos_bert(
    text,
    size="base",
    strategy="mirror_ascent",
    arguments=configuring.ASCENT,
  )
  config.num_steps = 125_000
  config.batch_size = 4096
  config.data.row_length = 512
  config.model.remat = True
  config.optimizer.learning_rate = 4e-4
  config.evaluation.batch_size = 1024
  config.evaluation.max_rows = 16_384
  return config
