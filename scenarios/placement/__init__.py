"""Where a model of its real size goes on given cards: planned on the meta device, so that no card is needed."""
