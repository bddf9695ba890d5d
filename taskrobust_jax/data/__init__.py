"""From text, or pictures, to rows on disk, and back in an order without state.

`prepare` stages a corpus in blocks of documents (`text/corpus`); each becomes a
shard (`text/blocks`): a tagger (`tagging/`), `text/wordpiece`, `text/packing`,
`text/shards`, in any process (`text/runners`). `text/records` reads them.

Pictures come from sources (`pictures/image_sources`: `scenes`, made as they are
read; `image_folders`; `tfds_images`); `image_preparation` resizes them into
shards (`image_shards`), which `image_records` reads.

`order` says which rows make a batch. `downstream/` reads labelled texts.
"""
