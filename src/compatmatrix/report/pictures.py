"""Placement maps as pictures: what a version would put on which device, as bars with words beside them. Pure.

A scenario that plans a placement records ``placement``, a list of ``{device, GiB, of GiB, holds}``; ``of GiB`` is
missing where a device has no budget. These devices are budgets on paper: nothing was put on a card.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from compatmatrix.report.lookup import Lookup
from compatmatrix.report.views import Bar, Picture
from compatmatrix.results import CellResult
from compatmatrix.text import one_line

PLACEMENT = "placement"
DEVICES = 16
"""Devices drawn of one placement; the others are counted in words."""

_KINDS = {"cpu": "cpu", "disk": "disk", "meta": "disk"}


def pictures(look: Lookup, rows: Sequence[CellResult]) -> tuple[Picture, ...]:
    """One picture for all versions that place alike, in the order of the versions."""
    groups: dict[str, list[CellResult]] = {}
    for row in rows:
        if devices(row):
            groups.setdefault(json.dumps(row.fingerprint[PLACEMENT], sort_keys=True, default=str), []).append(row)
    return tuple(_picture(look, group) for group in groups.values())


def devices(row: CellResult) -> list[Mapping[str, object]]:
    """The devices of a cell's placement; none where it has none, or one that cannot be drawn."""
    found = row.fingerprint.get(PLACEMENT)
    if not isinstance(found, list):
        return []
    return [item for item in found if isinstance(item, dict) and "device" in item and _gib(item.get("GiB")) is not None]


def _picture(look: Lookup, rows: Sequence[CellResult]) -> Picture:
    found = devices(rows[0])
    widest = max((_gib(item.get(name)) or 0.0 for item in found for name in ("GiB", "of GiB")), default=0.0) or 1.0
    return Picture(
        versions=tuple(row.version for row in rows),
        bars=tuple(_bar(item, widest, look.virtual(rows[0].cell)) for item in found[:DEVICES]),
        more=max(len(found) - DEVICES, 0),
    )


def _bar(item: Mapping[str, object], widest: float, virtual: str) -> Bar:
    name, used, room = one_line(str(item["device"]), 40), _gib(item.get("GiB")) or 0.0, _gib(item.get("of GiB"))
    kind = _KINDS.get(name.partition(":")[0], "card")
    title = name if kind != "card" else f"virtual {name}" if virtual else f"planned {name}"
    return Bar(
        device=title,
        kind=kind,
        used=round(1000 * used / widest),
        room=round(1000 * (room or 0.0) / widest),
        told=f"{used:.2f} GiB" if room is None else f"{used:.2f} of {room:g} GiB",
        holds=one_line(str(item.get("holds") or ""), 200) or "nothing",
        over=room is not None and used > room,
    )


def _gib(number: object) -> float | None:
    """A finite number of GiB that is not negative; None for anything else."""
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number) or number < 0:
        return None
    return float(number)
