r"""BERT-mini on English novels, tagged by a perceptron trained offline.

Claim: none about the method; not yet run to its end. It is the longest line
that two cores carry: from plain text to tasks, without a network and without
gold tags of that text.

Commands (neither treebank nor novels are part of this project; TREEBANK and
NOVELS are where you have them, the novels as *.txt):
  python -m taskrobust_jax.prepare \
    --train_tagger=TREEBANK/en_ewt-ud-train.conllu.gz \
    --eval_tagger=TREEBANK/en_ewt-ud-dev.conllu.gz \
    --tagger_path=runs/tagger.json
  python -m taskrobust_jax.prepare --config=configs/pos_bert_mini_novels.py \
    --config.data.train_path='NOVELS/*.txt' --data_dir=runs/novels/data
  python -m taskrobust_jax.pretrain --config=configs/pos_bert_mini_novels.py \
    --data_dir=runs/novels/data --workdir=runs/novels/minimax
Baselines: `:strategy=uniform`, `:ordinary`.
Measured on 2 cores of a machine that had much other work (load 4 to 8): the
tagger, .941 of the development words' tags, in 130 s; the rows in 4 min 52 s
(9.9 M tokens, 78,160 rows). Of training only the first steps have been run, to
see that the losses fall; its wall time and numbers: not yet run.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.pos_bert(
    text,
    size="mini",
    strategy="mirror_ascent",
    arguments=configuring.ASCENT,
    tagger="perceptron",
    tagger_path="runs/tagger.json",
  )
  config.num_steps = 2_000
  config.batch_size = 32
  config.log_every = 20

  config.data.source = "text_files"
  config.data.eval_share = 0.02
  config.data.vocabulary_size = 16_384
  config.data.row_length = 128

  config.model.dtype = "float32"
  config.model.unroll = True

  config.optimizer.learning_rate = 5e-4
  config.optimizer.warmup_steps = 200

  config.evaluation.every = 200
  config.evaluation.batch_size = 64
  config.evaluation.max_rows = 512
  config.checkpoint.every = 200
  return config
