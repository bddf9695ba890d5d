"""From text, or pictures, to rows on disk, and back in an order without state.

`prepare` (`preparation.py`) stages a corpus in blocks of documents (`corpus`);
each becomes a shard (`blocks`): a tagger (`tagging`, `taggers`), `wordpiece`,
`packing`, `shards`, in any process (`runners`). `records` and `order` are what
training reads.

Pictures come from sources (`image_sources`: `scenes`, made as they are read;
`image_folders`; `tfds_images`); `image_preparation` resizes them into shards
(`image_shards`), which `image_records` reads.
"""
