"""Objectives, pretraining models, the Trainer and its recipes."""
