r"""BERT-tiny on the English Web Treebank with gold tags, minimax over grammar.

Claim: the line works on a real corpus with gold tags. 2,000 steps of 64 rows
are about 64 passes over 204,577 words, so the model overfits: not a result
about the method.

Command (the treebank's files are not part of this project):
  python -m taskrobust_jax.prepare --config=configs/pos_bert_tiny_ewt.py \
    --config.data.train_path=en_ewt-ud-train.conllu.gz \
    --config.data.eval_path=en_ewt-ud-dev.conllu.gz --data_dir=runs/ewt/data
  python -m taskrobust_jax.pretrain --config=configs/pos_bert_tiny_ewt.py \
    --data_dir=runs/ewt/data --workdir=runs/ewt/minimax
Baselines: `:strategy=uniform`, `:ordinary`.
Hardware, wall time, numbers: see the README.
"""

from ml_collections import ConfigDict

from configs import pos_bert_smoke
from taskrobust_jax.models import bert


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = pos_bert_smoke.get_config(text)
  return config
