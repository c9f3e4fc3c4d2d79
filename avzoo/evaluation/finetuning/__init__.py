"""Finetuning an encoder into a classifier, and testing it."""
