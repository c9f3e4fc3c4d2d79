"""Protocols and metrics over arrays of features."""
