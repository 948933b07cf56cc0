"""What ``nox -s api`` asks of the atlas that it made: in each release every cell of the API's user ends as it says.

python tests/api/every_minor.py .compatmatrix/api/atlas.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from compatmatrix.atlas import Atlas

#: Scenario -> the outcomes that it is meant to have; all others pass. Virtual cards need a compiler.
MEANT = {
    "api-user/lacks-a-name": ("unsupported",),
    "api-user/lacks-a-module": ("unsupported",),
    "api-user/says-unsupported": ("unsupported",),
    "api-user/needs-a-package": ("skipped",),
    "api-user/says-skip": ("skipped",),
    "api-user/over-cards": ("pass", "skipped"),
}


def deviations(atlas: Atlas) -> list[str]:
    """A line for each range of releases in which a cell ended otherwise than it is meant to."""
    return [
        f"{cell.cell}: {span.outcome.value} {span.first} to {span.last}: {span.told or 'no reason is told'}"
        for cell in atlas.cells
        for span in cell.spans
        if span.outcome.value not in MEANT.get(cell.scenario, ("pass",))
    ]


def main(file: str) -> int:
    """Print what deviates; the exit status is 1 where anything does, or where the atlas is empty."""
    atlas = Atlas.model_validate_json(Path(file).read_bytes())
    for line in deviations(atlas):
        print(line)
    print(f"{len(atlas.cells)} cells in {len(atlas.releases)} releases: {len(deviations(atlas))} deviations")
    return int(bool(deviations(atlas)) or not atlas.cells or not atlas.releases)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
