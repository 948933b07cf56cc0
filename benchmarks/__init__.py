"""What the design costs, measured; ``nox -s bench`` runs it. Nothing here is a test: no figure makes anything fail."""
