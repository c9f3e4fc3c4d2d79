"""A generated set of clips whose sound and picture share their cause."""
