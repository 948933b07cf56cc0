"""Where a model of its real size goes on given cards: planned on the meta device, so that no card is needed."""

#: Imported once, before any cell is started; see docs/scenarios.md.
WARM = ("scenarios.placement._maps",)
