"""Documents that cannot rot."""

from __future__ import annotations

from tests.pins.examples import DOCUMENT, written


def test_the_examples_are_what_the_command_says_of_the_published_run() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count("<!-- pin") >= 5
    assert written(text) == text, "accept the new ones: python -m tests.pins.examples"
