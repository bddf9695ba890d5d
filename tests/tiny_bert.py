"""A BERT of one layer and 16 numbers, as converted weights lie in a folder."""

import jax

from taskrobust_jax.data.text import vocabulary
from taskrobust_jax.storage import weights
from taskrobust_jax.train import loaded

WORDS = tuple(f"w{i}" for i in range(20)) + ("good", "bad")
OPTIONS = {
  "num_layers": 1,
  "width": 16,
  "num_heads": 2,
  "mlp_width": 32,
  "dropout_rate": 0.0,
  "dtype": "float32",
  "unroll": True,
  "remat": False,
  "vocabulary_size": len(vocabulary.SPECIAL_TOKENS) + len(WORDS),
  "max_length": 16,
}
MODEL = {"kind": "bert", "options": OPTIONS}


def write_tokenizer(folder, words=WORDS):
  """tokenizer.json; each word is a piece."""
  from tokenizers import models

  pieces = (*vocabulary.SPECIAL_TOKENS, *words)
  tokenizer = vocabulary.untrained(
    models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]")
  )
  vocabulary.add_special_tokens(tokenizer)
  tokenizer.save(str(folder / "tokenizer.json"))


def write(folder):
  """Weights that were never trained."""
  params = jax.jit(loaded.model_of(MODEL).init)(jax.random.key(0))
  weights.write_weights(folder, params, MODEL)
  write_tokenizer(folder)
