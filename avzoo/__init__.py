"""avzoo."""
