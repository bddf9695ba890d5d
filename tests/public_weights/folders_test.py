import json

import jax
import numpy as np
import pytest

from taskrobust_jax.data.text import vocabulary
from taskrobust_jax.errors import InputError
from taskrobust_jax.models.patches import sine_cosine_positions
from taskrobust_jax.public_weights import folders, mae_names
from taskrobust_jax.storage import safetensors_file
from taskrobust_jax.tasks import modalities
from taskrobust_jax.train import suites
from taskrobust_jax.train.loaded import model_of

VOCABULARY = [*vocabulary.SPECIAL_TOKENS, "the", "dog", "##s"]
BERT = {
  "model_type": "bert",
  "vocab_size": 8,
  "hidden_size": 4,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 6,
  "max_position_embeddings": 5,
}
MAE = {
  "model_type": "vit_mae",
  "image_size": 4,
  "patch_size": 2,
  "hidden_size": 128,
  "num_hidden_layers": 2,
  "num_attention_heads": 2,
  "intermediate_size": 6,
  "decoder_hidden_size": 32,
  "decoder_num_hidden_layers": 1,
  "decoder_num_attention_heads": 1,
  "decoder_intermediate_size": 10,
  "layer_norm_eps": 1e-6,
}


def bert_shapes():
  layer = "bert.encoder.layer.{}."
  shapes = {
    "bert.embeddings.word_embeddings.weight": (8, 4),
    "bert.embeddings.position_embeddings.weight": (5, 4),
    "bert.embeddings.token_type_embeddings.weight": (2, 4),
    "bert.embeddings.LayerNorm.weight": (4,),
    "bert.embeddings.LayerNorm.bias": (4,),
    "cls.predictions.bias": (8,),
    "cls.predictions.transform.dense.weight": (4, 4),
    "cls.predictions.transform.dense.bias": (4,),
    "cls.predictions.transform.LayerNorm.weight": (4,),
    "cls.predictions.transform.LayerNorm.bias": (4,),
  }
  inner = {
    **{f"attention.self.{x}": (4, 4) for x in ("query", "key", "value")},
    "attention.output.dense": (4, 4),
    "attention.output.LayerNorm": (4,),
    "intermediate.dense": (6, 4),
    "output.dense": (4, 6),
    "output.LayerNorm": (4,),
  }
  for number in range(2):
    for name, shape in inner.items():
      name = layer.format(number) + name
      shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
  return shapes


def mae_shapes():
  """By the authors' names."""
  shapes = {
    "cls_token": (1, 1, 128),
    "patch_embed.proj.weight": (128, 3, 2, 2),
    "patch_embed.proj.bias": (128,),
    "norm.weight": (128,),
    "norm.bias": (128,),
    "mask_token": (1, 1, 32),
    "decoder_embed.weight": (32, 128),
    "decoder_embed.bias": (32,),
    "decoder_norm.weight": (32,),
    "decoder_norm.bias": (32,),
    "decoder_pred.weight": (12, 32),
    "decoder_pred.bias": (12,),
  }
  for prefix, count, width, hidden in (
    ("blocks", 2, 128, 6),
    ("decoder_blocks", 1, 32, 10),
  ):
    inner = {
      "norm1": (width,),
      "norm2": (width,),
      "attn.qkv": (3 * width, width),
      "attn.proj": (width, width),
      "mlp.fc1": (hidden, width),
      "mlp.fc2": (width, hidden),
    }
    for number in range(count):
      for name, shape in inner.items():
        name = f"{prefix}.{number}.{name}"
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
  return shapes


def random_arrays(shapes):
  generator = np.random.default_rng(0)
  return {
    name: generator.normal(size=shape).astype(np.float32)
    for name, shape in shapes.items()
  }


def mae_arrays():
  positions = {
    name: np.concatenate(
      [np.zeros((1, width)), sine_cosine_positions(2, 2, width)]
    )[None].astype(np.float32)
    for name, width in (("pos_embed", 128), ("decoder_pos_embed", 32))
  }
  return random_arrays(mae_shapes()) | positions


def write(folder, arrays, config):
  folder.mkdir(exist_ok=True)
  safetensors_file.write(folder / "model.safetensors", arrays)
  if config:
    (folder / "config.json").write_text(json.dumps(config))
  (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
  return folder


@pytest.fixture
def bert(tmp_path):
  return write(tmp_path / "bert", random_arrays(bert_shapes()), BERT)


def assert_same(found, expected, **tolerance):
  assert found.keys() == expected.keys()
  for name, array in expected.items():
    np.testing.assert_allclose(
      found[name], array, err_msg=name, **({"rtol": 0} | tolerance)
    )


def test_bert_there_and_back_is_the_same(bert, tmp_path):
  weights = folders.read("hf_bert", bert)
  assert weights.notes == []
  assert weights.model["options"]["max_length"] == 5
  folders.write("hf_bert", tmp_path / "back", weights)
  found = safetensors_file.read(tmp_path / "back/model.safetensors")
  assert_same(found, random_arrays(bert_shapes()))
  config = json.loads((tmp_path / "back/config.json").read_text())
  assert config | BERT == config
  again = folders.read("hf_bert", tmp_path / "back")
  assert again.tokenizer == weights.tokenizer
  assert again.model == weights.model


def test_what_bert_has_and_ours_has_not_is_named(bert):
  arrays = random_arrays(bert_shapes())
  more = {
    "bert.pooler.dense.weight": np.zeros((4, 4), np.float32),
    "cls.seq_relationship.bias": np.zeros(2, np.float32),
    "bert.embeddings.position_ids": np.arange(5),
    "cls.predictions.decoder.weight": arrays[
      "bert.embeddings.word_embeddings.weight"
    ],
    "cls.predictions.decoder.bias": arrays["cls.predictions.bias"],
  }
  write(bert, arrays | more, BERT)
  notes = folders.read("hf_bert", bert).notes
  assert [note.split(": ")[1] for note in notes] == [
    "bert.embeddings.position_ids",
    "bert.pooler.dense.weight",
    "cls.seq_relationship.bias",
  ]


def test_old_names_and_half_precision_are_read(bert):
  arrays = {
    name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
      "LayerNorm.bias", "LayerNorm.beta"
    ): array.astype(np.float16)
    for name, array in random_arrays(bert_shapes()).items()
  }
  write(bert, arrays, BERT)
  params = folders.read("hf_bert", bert).params
  assert params["norm"]["scale"].dtype == np.float32
  np.testing.assert_array_equal(
    params["norm"]["scale"], arrays["bert.embeddings.LayerNorm.gamma"]
  )


def test_an_encoder_alone_gets_a_new_head_and_says_so(bert):
  arrays = {
    name.removeprefix("bert."): array
    for name, array in random_arrays(bert_shapes()).items()
    if not name.startswith("cls.")
  }
  weights = folders.read("hf_bert", write(bert, arrays, BERT))
  assert weights.notes == [
    "new and untrained, the file has none: the prediction head"
  ]
  assert weights.params["head"]["bias"].shape == (8,)


@pytest.mark.parametrize(
  ("arrays", "config", "message"),
  [
    (
      {"cls.predictions.bias": None},
      {},
      "lacks the array cls.predictions.bias",
    ),
    (
      {"cls.predictions.bias": np.zeros(9, np.float32)},
      {},
      r"cls.predictions.bias is \[9\]; a model of this size has \[8\]",
    ),
    (
      {"bert.encoder.layer.2.x": np.zeros(1, np.float32)},
      {},
      "no place for: bert.encoder.layer.2.x",
    ),
    (
      {"cls.predictions.decoder.weight": np.zeros((8, 4), np.float32)},
      {},
      "decoder.weight differs from word/embedding",
    ),
    ({"cls.predictions.bias": np.arange(8)}, {}, "is of int64; it must be of"),
    ({}, {"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'; .* 'gelu'"),
    ({}, {"type_vocab_size": 1}, "type_vocab_size is 1"),
    ({}, {"model_type": "roberta"}, "model_type is 'roberta'"),
    ({}, {"hidden_size": "big"}, "hidden_size is 'big'"),
    ({}, {"hidden_size": 8}, r"embeddings.weight is \[8, 4\]"),
    ({}, {"num_attention_heads": 3}, "width must be a multiple of"),
    ({}, {"vocab_size": 7}, r"is \[8, 4\]"),
    (
      {},
      {"position_embedding_type": "relative_key"},
      "position_embedding_type",
    ),
  ],
)
def test_another_bert_is_refused(bert, arrays, config, message):
  arrays = {**random_arrays(bert_shapes()), **arrays}
  arrays = {name: x for name, x in arrays.items() if x is not None}
  write(bert, arrays, BERT | config)
  with pytest.raises(InputError, match=message):
    folders.read("hf_bert", bert)


def test_a_vocabulary_that_is_too_large_or_absent_is_refused(bert):
  (bert / "vocab.txt").write_text("\n".join([*VOCABULARY, "more"]) + "\n")
  with pytest.raises(InputError, match="has ids up to 8; .* tells 8 pieces"):
    folders.read("hf_bert", bert)
  (bert / "vocab.txt").unlink()
  with pytest.raises(InputError, match="neither tokenizer.json nor vocab.txt"):
    folders.read("hf_bert", bert)


def test_pickles_are_not_read(bert):
  (bert / "model.safetensors").rename(bert / "pytorch_model.bin")
  with pytest.raises(InputError, match="is a pickle, .*save_file"):
    folders.read("hf_bert", bert)


@pytest.mark.parametrize("form", ["mae", "hf_mae"])
def test_mae_there_and_back_is_the_same(tmp_path, form):
  arrays = mae_arrays()
  if form == "hf_mae":
    arrays = mae_names.to_hugging_face(arrays)
    assert "vit.encoder.layer.1.attention.attention.key.bias" in arrays
  # Of the authors' files the shapes tell the config.
  folder = write(tmp_path / "mae", arrays, MAE if form == "hf_mae" else None)
  weights = folders.read(form, folder)
  assert weights.params["decoders"]["query"].shape == (1, 32)
  assert not weights.params["modality"].any()
  folders.write(form, tmp_path / "back", weights)
  found = safetensors_file.read(tmp_path / "back/model.safetensors")
  assert_same(found, arrays, atol=2e-6)
  config = json.loads((tmp_path / "back/config.json").read_text())
  assert config | MAE == config


def test_a_picture_is_embedded_as_theirs_is(tmp_path):
  arrays = mae_arrays()
  embed = folders.read("mae", write(tmp_path / "mae", arrays, None)).params[
    "embed"
  ]["rgb"]
  rgb = np.random.default_rng(1).integers(0, 256, (1, 4, 4, 3), np.uint8)
  shown = modalities.make(0)["rgb"].show({"rgb": rgb}, 2)
  ours = shown @ embed["kernel"] + embed["bias"]
  given = (rgb[0] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
  kernel = arrays["patch_embed.proj.weight"]
  for n, (y, x) in enumerate(np.ndindex(2, 2)):
    patch = given[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
    theirs = np.einsum("pqc,dcpq->d", patch, kernel)
    theirs += arrays["patch_embed.proj.bias"]
    np.testing.assert_allclose(ours[0, n], theirs, atol=1e-4)


def test_what_is_added_to_mae_s_positions_is_kept(tmp_path):
  arrays = mae_arrays()
  arrays["pos_embed"] += np.arange(128, dtype=np.float32)
  arrays["decoder_pos_embed"][:, 1:] += np.arange(32, dtype=np.float32)
  weights = folders.read("mae", write(tmp_path / "mae", arrays, None))
  np.testing.assert_allclose(
    weights.params["modality"][0], np.arange(128), atol=1e-4
  )
  np.testing.assert_allclose(
    weights.params["decoders"]["query"][0], np.arange(32), atol=1e-4
  )
  np.testing.assert_allclose(
    weights.params["global_token"],
    arrays["cls_token"][0, 0] + np.arange(128),
    atol=1e-4,
  )
  arrays["pos_embed"][0, 2] += np.arange(128)
  write(tmp_path / "mae", arrays, None)
  with pytest.raises(InputError, match="not MAE's fixed ones"):
    folders.read("mae", tmp_path / "mae")


def test_a_mae_of_several_modalities_cannot_be_theirs(tmp_path):
  weights = folders.read("mae", write(tmp_path / "mae", mae_arrays(), None))
  options = weights.model["options"] | {"has_cross_attention": True}
  weights = weights._replace(model={"kind": "mae", "options": options})
  with pytest.raises(InputError, match="is no plain MAE"):
    folders.write("hf_mae", tmp_path / "back", weights)
  with pytest.raises(InputError, match="takes a bert, this is a mae"):
    folders.write("hf_bert", tmp_path / "back", weights)


def test_every_array_of_ours_is_filled(bert, tmp_path):
  mae = write(tmp_path / "mae", mae_arrays(), None)
  for form, folder in (("hf_bert", bert), ("mae", mae)):
    weights = folders.read(form, folder)
    init = model_of(weights.model).init
    expected = jax.eval_shape(init, jax.random.key(0))
    shapes = jax.tree.map(lambda x: (x.shape, str(x.dtype)), expected)
    found = jax.tree.map(lambda x: (x.shape, str(x.dtype)), weights.params)
    assert found == shapes


def test_norms_of_another_epsilon_are_built_so(bert):
  write(bert, random_arrays(bert_shapes()), BERT | {"layer_norm_eps": 1e-5})
  options = folders.read("hf_bert", bert).model["options"]
  assert suites.bert_options(**options).transformer.norm_epsilon == 1e-5
