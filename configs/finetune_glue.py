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
Wall time, numbers: see the README (launch/downstream.sh).
"""

from ml_collections import ConfigDict

from taskrobust_jax import configuring_transfer


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = configuring_transfer.fine_tuning(text)
  config.max_length = 64
  if config.mode == "full":
    # For BERT-tiny to small; base takes 2e-5 to 5e-5, one 64 wide 3e-3.
    config.optimizer.learning_rate = 3e-4
  return config
