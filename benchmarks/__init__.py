"""Measured comparisons of the package with named peers and with the limits of the machine; see README.md."""
