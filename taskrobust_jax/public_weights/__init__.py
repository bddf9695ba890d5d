"""Public weights as ours, and back: Hugging Face's BERT and MAE, MAE's own."""
