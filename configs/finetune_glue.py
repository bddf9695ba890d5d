r"""GLUE and tagging, from a small BERT, on two cores.

Claim: none; it shows what pre-training was good for, task by task.

Command (RUN is a folder of `pretrain`; GLUE holds CoLA/train.tsv and so on,
plain or compressed; TREEBANK is where CoNLL-U files lie):
  python -m taskrobust_jax.finetune --config=configs/finetune_glue.py \
    --from=RUN --tasks=CoLA,SST-2,MRPC,STS-B,WNLI,tagging --data_dir=GLUE \
    --config.tagging.train_path=TREEBANK/train.conllu.gz \
    --config.tagging.eval_path=TREEBANK/dev.conllu.gz \
    --num_examples=1024 --seeds=0,1,2 --workdir=runs/finetune/RUN
The other end of every scale: the same with --from=random:RUN. Heads on a frozen
encoder: `:frozen`. All of it in one command: `bash launch/downstream.sh`.
Wall time: 10 to 130 s a run, most of it compiling, on two cores that five
other programs shared.
Numbers as launch/downstream.sh runs it (64 wide, 400 steps on EWT: far too few;
512 examples, 512 dev rows, mean of seeds 0 to 2), averaging, then minimax:
  CoLA 0.000 0.000  SST-2 0.536 0.527  MRPC 0.750 0.751  STS-B 0.091 0.075
  WNLI 0.505 0.505  tagging 0.509, not yet run to the end
The model before any training: not yet run.
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring.fine_tuning(text)
  config.max_length = 64
  if config.mode == "full":
    config.optimizer.learning_rate = 3e-4  # Small models take larger ones.
  return config
