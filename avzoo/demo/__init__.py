"""The retrieval demo."""
