"""The protocols on real, labelled data: what the zoo's encoders, random weights and classical features make of it."""
