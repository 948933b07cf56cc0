"""The probe's small parts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from compatprobe.caplog import CappedLog
from compatprobe.notices import normalise
from compatprobe.record import number, plain
from compatprobe.settings import clean, empty


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 150, 1000])
def test_a_capped_log_keeps_both_ends(tmp_path: Path, size: int, chunk: int) -> None:
    data = bytes(ord("a") + index % 26 for index in range(size))
    log = CappedLog(tmp_path / "log", 100)
    for start in range(0, size, chunk):
        log.write(data[start : start + chunk])
    log.finish()
    kept = (tmp_path / "log").read_bytes()
    if size <= 100:
        assert kept == data
    else:
        assert kept == data[:50] + f"\n[... {size - 100} bytes left out ...]\n".encode() + data[-50:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 0x7f00aa11", "at <address>"),
        ("in '/tmp/ab12/x.py':3", "in '<path>':3"),
        ("see https://huggingface.co/docs/transformers", "see https://huggingface.co/docs/transformers"),
        ("model.layers.0/1", "model.layers.0/1"),
        ("took 1.5 s, 3it/s", "took <time>, <time>"),
        ("\x1b[1;31mred\x1b[0m\n  and   so on", "red and so on"),
        ("2026-01-02 03:04:05,678 done", "<time> done"),
        ("x" * 3000, "x" * 2000 + "…"),
    ],
)
def test_normalised_notices(text: str, expected: str) -> None:
    assert normalise(text) == expected
    assert normalise(expected) == expected or len(text) > 2000


def test_plain_values() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert plain({1: (math.inf, -math.inf), "s": {2, 1}}) == {"1": ["inf", "-inf"], "s": [1, 2]}
    assert isinstance(plain(endless), list)
    assert number(math.nan) == "nan"
    assert plain(object()) == "<object object at <address>>"


def test_the_environment_is_cleaned() -> None:
    kept = {"PATH": "/bin", "no_proxy": "x,.y", "CUDA_VISIBLE_DEVICES": "1", "COMPATPROBE_MARK": "1"}
    dropped = ["PYTHONPATH", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_API_KEY", "GH_PAT", "DB_PASSWORD", "HF_HOME"]
    dropped += ["TRANSFORMERS_CACHE", "ACCELERATE_USE_CPU", "OMP_NUM_THREADS", "GIT_AUTHOR_COOKIE", "SSH_AUTH_SOCK"]
    dropped += ["NVIDIA_API_KEY", "NVIDIA_TF32_OVERRIDE", "COMPATPROBE_TOKEN", "GITHUB_TOKEN"]
    cleaned = clean({**kept, **dict.fromkeys(dropped, "x")})
    assert cleaned.pop("VIRTUALCUDA_CACHE").endswith("virtualcuda")
    assert cleaned == {**kept, "PYTHONHASHSEED": "0", "MALLOC_PERTURB_": "128"}


@pytest.mark.parametrize(
    ("proxy", "kept"),
    [
        ("http://user:password@proxy:3128", "http://proxy:3128"),
        ("http://us@r:p@ss/wo\nrd@proxy", "http://proxy"),
        ("user:password@proxy:3128", "proxy:3128"),
        ("socks5h://token@[::1]:1080/", "socks5h://[::1]:1080/"),
        ("http://proxy:3128/", "http://proxy:3128/"),
    ],
)
def test_proxies_come_without_credentials(proxy: str, kept: str) -> None:
    cleaned = clean({"https_proxy": proxy, "ALL_PROXY": proxy})
    assert (cleaned["https_proxy"], cleaned["ALL_PROXY"]) == (kept, kept)


def test_anything_can_be_emptied(tmp_path: Path) -> None:
    place = tmp_path / "place"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    place.symlink_to(elsewhere)
    empty(place)
    assert not place.is_symlink()
    (place / "a" / "b").mkdir(parents=True)
    (place / "a" / "b" / "file").touch()
    (place / "link").symlink_to(elsewhere)
    (place / "a" / "b").chmod(0)
    (place / "a").chmod(0o500)
    empty(place)
    assert list(place.iterdir()) == []
    assert (elsewhere / "file").exists()
