"""What is tried: one package for each family of models, one file for each kind of loading."""
