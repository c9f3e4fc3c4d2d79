"""Conversion of official checkpoints, model cards, publishing."""
