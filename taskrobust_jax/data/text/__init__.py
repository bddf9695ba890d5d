"""Text: from documents to rows of word pieces on disk, and back."""
