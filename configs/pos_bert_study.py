r"""The study's BERT, on the treebank or on the novels.

Claim: none by itself; `bash launch/study.sh` runs it with several strategies
and seeds, by notebooks/study_plan.md, and notebooks/07_study.ipynb says what
came of it.

The text's name may stand first, before the strategy:
  --config=configs/pos_bert_study.py:strategy=uniform
  --config=configs/pos_bert_study.py:treebank,ordinary
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring

TEXTS = ("novels", "treebank")


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  name, _, rest = text.partition(",")
  if name not in TEXTS:
    name, rest = TEXTS[0], text
  config = configuring.pos_bert(
    rest,
    size="tiny",
    strategy="mirror_ascent",
    arguments=configuring.ASCENT,
    tagger="perceptron" if name == "novels" else "gold",
  )
  config.num_steps = 3_000
  config.batch_size = 32
  config.log_every = 20
  config.log_writer = "none"

  config.data.source = "text_files" if name == "novels" else "conllu"
  config.data.eval_share = 0.02
  config.data.vocabulary_size = 4096
  config.data.row_length = 64

  config.model.width = 64
  config.model.mlp_width = 256
  config.model.dtype = "float32"
  config.model.unroll = True

  config.optimizer.learning_rate = 3e-3
  config.optimizer.warmup_steps = 300

  # The first rows screen, those after them are for the adversary; what is
  # reported is of the second half of the split: `evaluate --second_half`.
  config.evaluation.every = 250
  config.evaluation.batch_size = 64
  config.evaluation.max_rows = 192
  config.evaluation.adversary_rows = 64
  config.checkpoint.every = 500
  return config
