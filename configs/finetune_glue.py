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
Wall time: 36 minutes for launch/downstream.sh on one core of a shared machine.
Numbers as it runs it (64 wide, 1,200 steps on EWT: too few; 2,048 examples, 512
dev rows, mean of seeds 0 to 2), averaging, minimax, before any training:
  CoLA 0.000 0.000 0.000   MRPC 0.750 0.742 0.746   SST-2   0.579 0.589 0.516
  WNLI 0.514 0.514 0.514   STS-B 0.086 0.091 0.079  tagging 0.636 0.631 0.704
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring_transfer


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring_transfer.fine_tuning(text)
  config.max_length = 64
  if config.mode == "full":
    config.optimizer.learning_rate = 3e-4  # Small models take larger ones.
  return config
