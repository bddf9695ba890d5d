r"""BERT-tiny on the English Web Treebank with gold tags.

Claim: none about the method, being one seed of 2,000 steps. It shows the line
on a real corpus with gold tags, and how the weights move on it.

Command (the treebank's files are not part of this project; TREEBANK is where
you have them):
  python -m taskrobust_jax.prepare --config=configs/pos_bert_tiny_ewt.py \
    --config.data.train_path=TREEBANK/en_ewt-ud-train.conllu.gz \
    --config.data.eval_path=TREEBANK/en_ewt-ud-dev.conllu.gz \
    --data_dir=runs/ewt/data
  python -m taskrobust_jax.pretrain --config=configs/pos_bert_tiny_ewt.py \
    --data_dir=runs/ewt/data --workdir=runs/ewt/minimax
Baselines: `:strategy=uniform`, `:ordinary`.
Wall time: 15 to 18 minutes a run on 2 cores that had other work beside it, no
accelerator.
Held-out loss at step 2,000, seed 0 (function words, modifiers, nouns, verbs),
of before dropout drew row by row; since then not yet run:
  uniform        3.753  7.292  8.419  6.770   worst 8.419  mean 6.558
  mirror_ascent  3.833  7.255  8.208  6.722   worst 8.208  mean 6.504
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.pos_bert(
    text,
    size="tiny",
    strategy="mirror_ascent",
    arguments={"step_size": 0.02, "smoothing": 0.1},
    tagger="gold",
  )
  config.num_steps = 2_000
  config.batch_size = 32
  config.log_every = 20

  config.data.source = "conllu"
  config.data.vocabulary_size = 8192
  config.data.row_length = 64

  config.model.dtype = "float32"
  config.model.unroll = True

  config.optimizer.learning_rate = 1e-3
  config.optimizer.warmup_steps = 200

  config.evaluation.every = 200
  config.evaluation.batch_size = 64
  config.checkpoint.every = 200
  return config
