"""Strategies x seeds, at the size of the smoke run.

Claim: none; it shows how far apart methods are, beside how far apart seeds are.
At this size three seeds rarely tell them apart, and the report says so.

Command: bash launch/ablate.sh configs/ablation_strategy.py
Hardware, wall time, numbers: not yet run to its end.
"""

BASE = "configs/pos_bert_smoke.py"
SEEDS = (0, 1, 2)
ARGUMENTS = (
  "strategy=uniform",
  "strategy=random_weights",
  "strategy=mirror_ascent,step_size=0.1,smoothing=0.1",
  "strategy=mirror_ascent,step_size=0.1,smoothing=0.1,signal=relative_to_start",
  "strategy=softmax_weighted,temperature=0.5",
  "strategy=cvar,fraction=0.5",
)
