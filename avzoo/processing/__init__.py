"""What turns decoded media into model input."""
