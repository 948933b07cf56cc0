"""Untrusted text: escapes, controls, direction, secrets, size."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import compatmatrix.text as text_module
from compatmatrix import redaction
from compatmatrix.redaction import host_pattern, mask, redact, secrets
from compatmatrix.text import clean, cut, one_line, short_paths, strip_controls


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
        ("npm_" + "a1" * 18, "npm_***"),
        ("hf_oauth_" + "a1" * 18, "hf_oauth_***"),
        ("api_org_" + "a" * 34, "api_org_***"),
        ("key AIza" + "Sy_-" * 9, "key AIza***"),
        ("https://hooks.slack.com/services/T000/B000/XXXXXXXX", "https://hooks.slack.com/services/***"),
        ("https://discord.com/api/webhooks/123/abc-def_ghi", "https://discord.com/api/webhooks/***"),
        (
            "https://x.blob.core.windows.net/c?sv=2024&sig=ab%2Bcd%3D&x=1",
            "https://x.blob.core.windows.net/c?sv=2024&sig=***&x=1",
        ),
        ("https://cdn/x?Policy=eyJTdGF0ZW1l&Signature=a~b-c~d-e", "https://cdn/x?Policy=***&Signature=***"),
        ("?X-Amz-Credential=AKIB%2F2026&X-Amz-Date=2026", "?X-Amz-Credential=***&X-Amz-Date=2026"),
        ("Authorization: token 0123456789abcdef", "Authorization: token ***"),
        ("'authorization': 'Negotiate abcdefgh'", "'authorization': 'Negotiate ***'"),
        ("authorization=abcdefghijk", "authorization=***"),
        ("Set-Cookie: session=abcdef; path=/", "Set-Cookie: ***"),
        ("https://user:p@ss@host/simple", "https://***@host/simple"),
        ("proxy user:pass@proxy.example:3128 refused", "proxy ***@proxy.example:3128 refused"),
        ("password='S3cr3t!&#x'", "password='S3cr3t!&#x'"),
        ("passphrase: correct-horse!", "passphrase: ***"),
        ("pa\u017f\u017fword=abcdefgh", "pa\u017f\u017fword=***"),
        ("Cook\u0131e: a=abcdefgh", "Cook\u0131e: ***"),
        ("AccountKey=abcdefghijklmnop==;", "AccountKey=***==;"),
        ("git@github.com:org/repo.git", "git@github.com:org/repo.git"),
        ("sha256:" + "0af1" * 16, "sha256:" + "0af1" * 16),
        ("model.layers.0.self_attn.q_proj.weight: cuda:0", "model.layers.0.self_attn.q_proj.weight: cuda:0"),
        (
            "hf_quantizer.hf_device_map, sk_buff, npm_config_registry",
            "hf_quantizer.hf_device_map, sk_buff, npm_config_registry",
        ),
        (
            "torch==2.13.0 @ https://files.example/torch.whl#sha256=abc",
            "torch==2.13.0 @ https://files.example/torch.whl#sha256=abc",
        ),
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


@pytest.mark.parametrize(
    ("node", "given_", "shown"),
    [
        ("build-7", "on build-7, BUILD-7.example.org", "on <host>, <host>.example.org"),
        ("runner3.corp.example", "runner3.corp.example and runner3:22", "<host> and <host>:22"),
        ("build-7", "build-70 rebuild-7 my.build-7 build-7-x", "build-70 rebuild-7 my.build-7 build-7-x"),
        ("laptop", "the laptop", "the laptop"),
        ("vm-1", "the vm-1", "the vm-1"),
        ("12345", "12345 bytes", "12345 bytes"),
        ("localhost.localdomain", "localhost.localdomain", "localhost.localdomain"),
    ],
)
def test_the_machines_name(node: str, given_: str, shown: str) -> None:
    pattern = host_pattern(node)
    assert (pattern.sub("<host>", given_) if pattern else given_) == shown


def test_the_machines_own_name_and_secrets_go(tmp_path: Path) -> None:
    code = """if True:
        import platform
        platform.node = lambda: "unlikely-host-1"
        from compatmatrix.text import clean
        print(clean("unlikely-host-1 said plain-looking-secret, Multi Lined Key, long and short1"))"""
    environ = {"MY_TOKEN": "plain-looking-secret", "SSH_PRIVATE_KEY": "Multi Lined Key\nlong", "X_PASSWORD": "short1"}
    environ["PYTHONPATH"] = str(Path(text_module.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout == "<host> said ***, ***, long and short1\n"


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "MY_API_KEY", "ApiKey", "GH_PAT", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD_1"]
)
def test_names_that_say_secret(name: str) -> None:
    assert secrets({name: "x"}) == {"x"}


@pytest.mark.parametrize(
    "name", ["TOKENIZERS_PARALLELISM", "HF_TOKEN_PATH", "PATH", "MAX_TOKENS", "KEYBOARD", "SSH_AUTH_SOCK"]
)
def test_names_that_do_not(name: str) -> None:
    assert secrets({name: "x"}) == frozenset()


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("token=hf_ab\n[... 12 bytes left out ...]\ncdefg and on", "…\n[... 12 bytes left out ...]\n… and on"),
        ("a line\n\n[... 12 characters left out ...]\n rest", "a line\n\n[... 12 characters left out ...]\n rest"),
        (
            "a\n[... 1 bytes left out ...]\nb\n[... 1 bytes left out ...]\nc",
            "…\n[... 1 bytes left out ...]\n…\n[... 1 bytes left out ...]\n…",
        ),
    ],
)
def test_half_words_beside_a_cut_go(given_: str, shown: str) -> None:
    assert redact(given_) == shown
    assert redact(shown) == shown


def test_the_longest_value_is_masked_first() -> None:
    assert mask("abcdefgh abcdefghij a", ["abcdefgh", "abcdefghij", "a"]) == "*** *** a"


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


PIECES = ["authorization", "cookie", "bearer", "token", "password", "negotiate", "http://", "hf_", "sig", "secret_key"]
PIECES += [
    "\n[... 1 bytes left out ...]\n",
    ": ",
    "=",
    "@",
    ":",
    "'",
    '"',
    " ",
    "?",
    "&",
    "***",
    "abcdefgh",
    "0123456789abcdef",
    "\n",
    "host:80",
    ".",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_redacting_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


ASCII = st.characters(max_codepoint=127)


@pytest.mark.parametrize(("words", "pattern", "_"), redaction._SECRETS)
@given(data=st.data())
def test_a_secret_holds_one_of_the_words_that_it_is_looked_for_by(
    words: tuple[str, ...], pattern: re.Pattern[str], _: str, data: st.DataObject
) -> None:
    text = data.draw(st.from_regex(pattern, alphabet=ASCII))
    assert any(word in text.lower() for word in words)


@given(st.from_regex(redaction._HOMES, alphabet=ASCII))
def test_a_home_holds_one_of_the_words_that_it_is_looked_for_by(text: str) -> None:
    assert any(word in text for word in redaction._HOMES_HOLD)


@given(st.lists(st.sampled_from([*PIECES, "API-KEY", "pa\u017f\u017fword", "cook\u0131e: a", "/root"]), max_size=14))
def test_words_that_are_looked_for_first_change_nothing(pieces: list[str]) -> None:
    text = "".join(pieces)
    shown = redact(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "_SECRETS", tuple((("",), *rest) for _, *rest in redaction._SECRETS))
        patch.setattr(redaction, "_HOMES_HOLD", ("",))
        assert redact(text) == shown


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
        "authorization: ",
        "authorization: token ",
        "cookie: a=",
        "a:b@",
        "?sig=",
        "password=",
        "a.",
        "a://",
        "\n[... 1 bytes left out ...]\n",
        " /scenarios",
    ],
)
def test_ten_megabytes_take_no_time(unit: str) -> None:
    text = unit * (10_000_000 // len(unit))
    begin = time.perf_counter()
    assert len(clean(text)) <= 200_000
    assert time.perf_counter() - begin < 5
