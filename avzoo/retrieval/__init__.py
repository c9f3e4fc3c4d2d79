"""The index and the search over a feature table."""
