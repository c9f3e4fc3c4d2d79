"""Datasets, clip samplers and augmentations."""
