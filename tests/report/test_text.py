"""Untrusted text: escapes, controls, direction, secrets, size."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.text import clean, cut, one_line, redact, short_paths, strip_controls


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title\x07after", "after"),
        (" 10%\r 50%\r100%\n", "100%\n"),
        ("one\r\ntwo", "one\ntwo"),
        ("a\x00b\x08c\x7f", "a\\x00b\\x08c\\x7f"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("half \ud800 surrogate", "half \ufffd surrogate"),
        ("tag\U000e0041", "tag\ufffd"),
        ("模型 é ✓", "模型 é ✓"),
    ],
)
def test_controls(given_: str, shown: str) -> None:
    assert strip_controls(given_) == shown


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("hf_" + "a" * 30, "hf_***"),
        ("ghp_" + "B1" * 18, "ghp_***"),
        ("github_pat_" + "x" * 40, "github_pat_***"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer ***"),
        ("https://user:pass@host/simple", "https://***@host/simple"),
        ("https://token@host/x", "https://***@host/x"),
        ("HF_TOKEN=abcdefghijklmn", "HF_TOKEN=***"),
        ("'api_key': 'abcdefghijklmn'", "'api_key': '***'"),
        ("AKIA" + "A" * 16, "AKIA***"),
        ("/home/alice/venv/lib/x.py", "~/venv/lib/x.py"),
        ("C:\\Users\\alice\\x", "~\\x"),
        ("/Users/bob", "~"),
        ("/own/place/models", "~/models"),
        ("/own/placebo", "/own/placebo"),
        (
            "git+https://github.com/huggingface/transformers@main",
            "git+https://github.com/huggingface/transformers@main",
        ),
        ("pad_token='<pad>' num_tokens=12", "pad_token='<pad>' num_tokens=12"),
    ],
)
def test_secrets_and_homes(given_: str, shown: str) -> None:
    assert redact(given_, home="/own/place") == shown


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ('File "/a/b/env/lib/python3.11/site-packages/torch/nn.py", line 3', 'File "torch/nn.py", line 3'),
        ("/usr/lib/python3/dist-packages/x.py:12: UserWarning", "x.py:12: UserWarning"),
        ("C:\\env\\Lib\\site-packages\\torch\\nn.py", "torch\\nn.py"),
        ('"/opt/python/lib/python3.11/json/decoder.py"', '"python3.11/json/decoder.py"'),
        ("/x/y/scenarios/llama/plain.py", "scenarios/llama/plain.py"),
        ("/x/y/src/compatprobe/child.py", "compatprobe/child.py"),
        ("'/tmp/tmpab12/offload/0.dat'", "'<tmp>/offload/0.dat'"),
        ("https://example.org/tmp/x", "https://example.org/tmp/x"),
        ("a/tmp/b and 1/2", "a/tmp/b and 1/2"),
    ],
)
def test_paths_of_the_machine(given_: str, shown: str) -> None:
    assert short_paths(given_) == shown


def test_private_keys_go() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----"
    assert "MIIE" not in redact(f"x {key} y")


def test_cut_keeps_both_ends() -> None:
    shown = cut("a" * 500 + "b" * 500, 200)
    assert len(shown) == 200
    assert shown.startswith("aaa")
    assert shown.endswith("bbb")
    assert "1,000 characters" in shown


@given(st.text(), st.integers(min_value=0, max_value=300))
def test_clean_is_idempotent_and_short(text: str, limit: int) -> None:
    once = clean(text, limit=limit, home="/own")
    assert len(once) <= limit
    assert clean(once, limit=limit, home="/own") == once
    assert not any(ord(character) < 32 and character not in "\n\t" for character in once)


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text, 40).splitlines()) <= 1
    assert len(one_line(text, 40)) <= 40


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "\x1b[",
        "token=",
        "https://a:",
        "/home/",
        "\r",
        "-----BEGIN ",
        "eyJ",
        "\u202e",
        "/a",
        "/tmp/",
        " /scenarios",
    ],
)
def test_ten_megabytes_take_no_time(unit: str) -> None:
    text = unit * (10_000_000 // len(unit))
    begin = time.perf_counter()
    assert len(clean(text)) <= 200_000
    assert time.perf_counter() - begin < 5
