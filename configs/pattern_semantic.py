r"""Pattern against semantics on procedural scenes: who starves under averaging?

Claim: @@. RGB, HOG and edges are patterns, normals
and classes are semantic; a third of the patches of RGB is shown. With three
pattern tasks of five, averaging may spend the encoder on patterns.

Command (trains every case, three seeds, and probes the frozen encoders):
  python -m taskrobust_jax.benchmarks.pattern_semantic
One case alone:
  python -m taskrobust_jax.pretrain --config=configs/pattern_semantic.py \
    --workdir=DIR
Hardware, wall time, numbers: not yet run.
"""

from ml_collections import ConfigDict

from configs import multimae_smoke

PATTERN = ("rgb", "hog", "edges")
SEMANTIC = ("normals", "semseg")


def get_config(text: str = "") -> ConfigDict:
  """The smoke config with these tasks, on smaller scenes."""
  config = multimae_smoke.get_config(text, PATTERN + SEMANTIC)
  config.num_steps = 800
  config.data.image_size = 48
  config.data.train_rows = 2_048
  config.data.eval_rows = 256
  config.tasks.num_visible = 12  # Of 36.
  return config
