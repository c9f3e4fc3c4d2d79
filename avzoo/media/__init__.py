"""What turns a file into frames and samples with times."""
