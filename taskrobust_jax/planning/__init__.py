"""What a step costs on chips that one does not have."""
