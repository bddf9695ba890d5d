"""Text to packed rows on disk, and back in an order that has no state.

text -> part_of_speech -> wordpiece -> packing -> records is what `prepare`
runs once (`preparation.py`); `records` and `order` are what training reads.
"""
