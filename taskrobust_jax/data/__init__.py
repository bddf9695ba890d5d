"""Text to packed rows on disk, and back in an order that has no state.

`prepare` (`preparation.py`) stages a corpus in blocks of documents (`corpus`);
each becomes a shard (`blocks`): a tagger (`tagging`, `taggers`), `wordpiece`,
`packing`, `shards`, in any process (`runners`). `records` and `order` are what
training reads.
"""
