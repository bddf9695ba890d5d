r"""The study's downstream tasks; see notebooks/study_plan.md.

Claim: none by itself. `bash launch/study.sh` gives it to every model of the
study alike. The learning rates are those that a pilot chose by the rows that
select: with a lower one a pre-trained model, whose embeddings are large, learns
less than one that was never trained.
"""

from ml_collections import ConfigDict

from configs import finetune_glue


def get_config(text: str = "") -> ConfigDict:
  """The config; `text` is what stands after the colon of `--config`."""
  config = finetune_glue.get_config(text)
  config.optimizer.learning_rate = 1e-2 if config.mode == "frozen" else 3e-3
  config.num_epochs = 3.0  # Of a frozen encoder too: SST-2 is large.
  config.least_steps = 500
  config.evaluation.max_rows = 1024
  return config
