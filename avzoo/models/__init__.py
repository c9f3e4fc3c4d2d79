"""The zoo: one configuration and one modeling file per family, and the trunks and heads they share."""
