"""Files in, feature table out."""
