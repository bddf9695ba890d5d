"""Pictures, from files or ray-cast scenes, to rows of modalities, and back."""
