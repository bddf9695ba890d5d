"""Ways to split a text into tasks x seeds, at the size of the smoke run.

Claim: none. Losses of different tasks cannot be compared, so the report has a
section for each split; how a split serves downstream tasks is told by
`finetune` on these runs.

Command: bash launch/ablate.sh configs/ablation_groups.py
Hardware, wall time, numbers: not yet run to its end.
"""

BASE = "configs/pos_bert_smoke.py"
SEEDS = (0, 1, 2)
ARGUMENTS = (
  "ordinary,strategy=uniform",
  "strategy=mirror_ascent,step_size=0.1,smoothing=0.1",
  "strategy=mirror_ascent,step_size=0.1,smoothing=0.1,split=word_frequency:2",
  "strategy=mirror_ascent,step_size=0.1,smoothing=0.1,split=word_frequency:4",
  "strategy=mirror_ascent,step_size=0.1,smoothing=0.1,split=sentence_length:4",
  "strategy=mirror_ascent,step_size=0.1,smoothing=0.1,split=denoisers",
)
