r"""Converts weights between ours and public ones, in safetensors both ways.

  python -m taskrobust_jax.convert --from=hf_bert:FOLDER --to=OUT
  python -m taskrobust_jax.convert --from=RUN --to=hf_bert:OUT

Forms: hf_bert and hf_mae (Hugging Face's BERT and ViT-MAE: model.safetensors,
config.json, of BERT tokenizer.json or vocab.txt), mae (the authors' names,
facebookresearch/mae). Without a form a folder is ours: a run, FOLDER@STEP for
one of its checkpoints, or what this program wrote, which `finetune --from`,
`pretrain --init_from` and `taskrobust_jax.load` take. What is left out is
printed; what would change an output is refused.
"""

import pathlib

from absl import flags
import jax

from taskrobust_jax import program
from taskrobust_jax.errors import InputError
from taskrobust_jax.public_weights import folders
from taskrobust_jax.storage import weights
from taskrobust_jax.train.loaded import load

_FROM = program.define_path("from", "What to convert: [FORM:]FOLDER.")
_TO = program.define_path("to", "Where to: [FORM:]FOLDER, new or empty.")


def main() -> None:
  """Reads, converts and writes."""
  form, source = _split(_FROM.value)
  target_form, target = _split(_TO.value)
  if bool(form) == bool(target_form):
    raise InputError(
      f"one of --from and --to must have a form ({', '.join(folders.FORMS)}), "
      f"got --from={_FROM.value} --to={_TO.value}"
    )
  if target.exists() and (not target.is_dir() or any(target.iterdir())):
    raise InputError(f"--to={target} exists and is not an empty folder")
  found = folders.read(form, source) if form else _read_ours(source)
  if target_form:
    folders.write(target_form, target, found)
  else:
    weights.write_weights(target, found.params, found.model)
    if found.tokenizer is not None:
      file = target / weights.TOKENIZER_FILE
      file.write_text(found.tokenizer, "utf-8")
  count = sum(x.size for x in jax.tree.leaves(found.params))
  print(f"{found.model['kind']}, {count:,} params")
  for note in found.notes:
    print(note)
  print(f"wrote {target}")


def _split(text: str) -> tuple[str, pathlib.Path]:
  form, has_form, folder = text.partition(":")
  if not has_form:
    return "", pathlib.Path(text)
  if form not in folders.FORMS:
    raise InputError(
      f"form {form!r} must be in {folders.FORMS}, as in hf_bert:FOLDER"
    )
  return form, pathlib.Path(folder)


def _read_ours(folder: pathlib.Path) -> folders.Weights:
  """A run or a converted folder."""
  loaded = load(folder)
  model = {"kind": loaded.model.kind, "options": loaded.model.options}
  tokenizer = loaded.tokenizer and loaded.tokenizer.to_str()
  return folders.Weights(loaded.params, model, tokenizer, [])


if __name__ == "__main__":
  flags.mark_flags_as_required(["from", "to"])
  program.run(main)
