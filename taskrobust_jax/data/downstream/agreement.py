"""Number agreement: is the verb in the number that its subject asks for?

Minimal pairs from text without labels: of the sentences with is/are, was/were,
has/have or does/do every second one gets the other form of one of them. What a
pre-trained model knows of grammar shows here at sizes at which CoLA stays at
its floor. A swapped verb is wrong nearly always, not always ("the team are").
"""

import numpy as np

from taskrobust_jax import errors
from taskrobust_jax.data.downstream.labelled import Labelled
from taskrobust_jax.data.downstream.tagged import Tagged

_PAIRS = (("is", "are"), ("was", "were"), ("has", "have"), ("does", "do"))
OTHER_FORM = dict(_PAIRS) | {other: one for one, other in _PAIRS}
CLASSES = ("swapped", "as_written")


def of_sentences(split: Tagged) -> Labelled:
  """Sentences as text, of class 0 if a verb was swapped, else 1.

  Which verb is a function of the sentence's place alone.

  Args:
    split: Sentences of words; tags are not looked at.

  Raises:
    InputError: No sentence has such a verb.
  """
  texts, labels = [], []
  for place, words in enumerate(split.words):
    verbs = [i for i, word in enumerate(words) if word in OTHER_FORM]
    if not verbs:
      continue
    words = list(words)
    labels.append(len(labels) % 2)
    if not labels[-1]:
      verb = verbs[np.random.default_rng(place).integers(len(verbs))]
      words[verb] = OTHER_FORM[words[verb]]
    texts.append(" ".join(words))
  if not texts:
    raise errors.InputError(
      f"{split.name}: no sentence has one of {', '.join(OTHER_FORM)}"
    )
  return Labelled(split.name, tuple(texts), None, np.array(labels, np.int32))
