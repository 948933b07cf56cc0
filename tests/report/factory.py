"""Synthetic runs: every outcome, a substitute, a column without an environment, every kind of news.

Nothing here is measured; versions and messages are only shaped like real ones. Deterministic: no
clock and no random numbers but from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from compatmatrix.report.context import LedgerNote
from compatmatrix.results import (
    CellResult,
    Check,
    Column,
    EnvFailure,
    EnvReason,
    Failure,
    Frame,
    Machine,
    News,
    Outcome,
    Package,
    Run,
    Scenario,
    Substitute,
    Variant,
)

START = datetime(2026, 3, 14, 9, 26, tzinfo=timezone.utc)
META = "weight is on the meta device, we need a `value` to put in on 0."

LEDGER = {
    "meta-dispatch": LedgerNote(
        id="meta-dispatch",
        title="Dispatch meets parameters that were never loaded",
        cause="A base class without the prefix of the checkpoint matches no key. Its weights stay on meta.",
        links=("https://github.com/huggingface/transformers/issues/36766", "javascript:alert(1)"),
        cures=("llama/tie-first", "llama/gone"),
    )
}


def column(version: str, transformers: str, **more: object) -> Column:
    packages = [("accelerate", "1.15.0"), ("torch", "2.13.0+cpu"), ("transformers", transformers)]
    return Column.model_validate(
        {
            "version": version,
            "source": f"pypi: transformers=={transformers}",
            "transformers": transformers,
            "python": "3.11.9",
            "torch": "2.13.0+cpu",
            "accelerate": "1.15.0",
            "packages": [Package(name=name, version=number) for name, number in packages],
            "lock": "".join(f"{name}=={number} --hash=sha256:{'0' * 64}\n" for name, number in packages),
            "lock_hash": f"{sum(map(ord, transformers)):064x}",
            "environment": f"tf-{transformers}",
            "resolved_at": START,
            **more,
        }
    )


def failed_column(version: str) -> Column:
    failure = EnvFailure(
        reason=EnvReason.UNREACHABLE,
        message="github.com could not be reached: connection refused",
        hint="name a substitute, or run again with the network",
        log="fatal: unable to access\n",
    )
    return Column(version=version, source="git: main", failure=failure)


COLUMNS = (
    column("4.36.2", "4.36.2"),
    column("4.46.3", "4.46.3"),
    column("4.50.dev", "4.50.0", substitute=Substitute(shows="4.50.0", because="the git source could not be reached")),
    column("5.23.0", "5.23.0", commit="1c0f782fe5f983727ff245c4c1b3906f9b99eec2"),
    failed_column("main"),
)


def scenario(id: str, labels: Sequence[str] = ("",), **more: object) -> Scenario:
    name = id.partition("/")[2].replace("-", " ")
    return Scenario.model_validate(
        {
            "id": id,
            "title": f"{name[:1].upper()}{name[1:]}",
            "family": id.partition("/")[0],
            "doc": f"Loads a checkpoint by way of {name} and compares every tensor with the file.",
            "file": f"scenarios/{id.replace('-', '_')}.py",
            "line": 12,
            "variants": [Variant(label=label) for label in labels],
            **more,
        }
    )


def passed(cell: str, version: str, **more: object) -> CellResult:
    return CellResult.model_validate(
        {
            "cell": cell,
            "version": version,
            "outcome": Outcome.PASS,
            "reason": "2 checks held",
            "checks": [
                Check(name="tensors that differ", measured=0, limit=0),
                Check(name="logits", measured=2.5e-7, limit=1e-5),
            ],
            "fingerprint": {"model": {"devices": {"cpu": 21}, "dtypes": ["float32"], "tied": ["lm_head.weight"]}},
            "seconds": 0.824,
            "peak_memory": 432 << 20,
            "attempts": [Outcome.PASS],
            "measured_at": START + timedelta(minutes=3),
            **more,
        }
    )


def failed(cell: str, version: str, message: str = META, **more: object) -> CellResult:
    line = 300 + sum(map(ord, cell + version)) % 90
    traceback = (
        "Traceback (most recent call last):\n"
        f'  File "scenarios/llama/auto_model.py", line {line}, in auto_model\n'
        '    model = transformers.AutoModel.from_pretrained(checkpoint.path, device_map="auto")\n'
        '  File "accelerate/utils/modeling.py", line 339, in set_module_tensor_to_device\n'
        f'    raise ValueError(f"{{tensor_name}} is on the meta device")\nValueError: {message}\n'
    )
    return passed(
        cell,
        version,
        **{
            "outcome": Outcome.FAIL,
            "reason": f"ValueError: {message}",
            "signature": f"ValueError: {message} @ accelerate.utils.modeling.set_module_tensor_to_device",
            "checks": [],
            "fingerprint": {},
            "attempts": [Outcome.FAIL],
            "failure": Failure(
                type="builtins.ValueError",
                message=message,
                step="from_pretrained",
                frames=(
                    Frame(module="transformers.modeling_utils", function="from_pretrained", line=4120),
                    Frame(module="accelerate.utils.modeling", function="set_module_tensor_to_device", line=339),
                ),
                traceback=traceback,
                chain=("KeyError: 'weight'",),
            ),
            "log": "Loading checkpoint shards: 100%\n",
            **more,
        },
    )


def wrong(cell: str, version: str, **more: object) -> CellResult:
    return passed(
        cell,
        version,
        **{
            "outcome": Outcome.WRONG,
            "reason": "2 of 3 checks do not hold: tensors that differ: 18 over 0",
            "signature": "wrong: tensors that differ; logits",
            "checks": [
                Check(name="tensors that differ", measured=18, limit=0, detail="model.layers.0.mlp.up_proj.weight, …"),
                Check(name="logits", measured=float("nan"), limit=1e-5),
                Check(name="on meta", measured=0, limit=0),
            ],
            "fingerprint": {"model": {"devices": {"cpu": 20, "meta": 1}, "dtypes": ["float32"], "tied": []}},
            "warnings": ["Some weights of LlamaModel were newly initialized: ['embed_tokens.weight']"],
            "attempts": [Outcome.WRONG],
            **more,
        },
    )


def plain(cell: str, version: str, outcome: Outcome, reason: str, **more: object) -> CellResult:
    """A result that is told by its outcome and a reason alone."""
    quiet: dict[str, object] = {
        "checks": [],
        "fingerprint": {},
        "signature": f"{outcome.value}: {reason}" if outcome.red else None,
    }
    return passed(cell, version, **{"outcome": outcome, "reason": reason, "attempts": [outcome], **quiet, **more})


def run(
    scenarios: Sequence[Scenario], results: Sequence[CellResult], columns: Sequence[Column] = COLUMNS, **more: object
) -> Run:
    return Run.model_validate(
        {
            "id": "2026-03-14-a",
            "started": START,
            "finished": START + timedelta(minutes=7, seconds=4),
            "compatmatrix": "0.1.0",
            "machine": Machine(system="Linux", architecture="x86_64", python="3.11.9", cpus=2, memory=8 << 30),
            "columns": tuple(columns),
            "scenarios": tuple(scenarios),
            "results": tuple(results),
            **more,
        }
    )


def small_run() -> Run:
    """Every outcome and every kind of news once at the least, in four families."""
    scenarios = (
        scenario("gemma3/text", ("[CausalLM,plain]", "[CausalLM,disk]"), claims=("C1.1",)),
        scenario(
            "llama/auto-model", ("[tied,auto]", "[tied,disk]", "[untied,auto]", "[untied,disk]"), claims=("C2.1",)
        ),
        scenario("llama/tie-first", cures=("C4.2",)),
        scenario("mini-gemini/forward", ("[2b]", "[7b]")),
        scenario("oneke/dispatch", ("[cpu]", "[cuda]")),
    )
    auto, text, mini, oneke = "llama/auto-model", "gemma3/text", "mini-gemini/forward", "oneke/dispatch"
    unknown = "KeyError: 'gemma3'"
    special = [
        plain(f"{text}[CausalLM,plain]", "4.36.2", Outcome.UNSUPPORTED, unknown),
        plain(f"{text}[CausalLM,disk]", "4.36.2", Outcome.UNSUPPORTED, unknown),
        plain(f"{text}[CausalLM,plain]", "4.46.3", Outcome.UNSUPPORTED, unknown),
        plain(f"{text}[CausalLM,disk]", "4.46.3", Outcome.UNSUPPORTED, unknown),
        failed(f"{text}[CausalLM,disk]", "4.50.dev"),
        *(failed(f"{auto}[{tied},auto]", version) for tied in ("tied", "untied") for version in ("4.46.3", "4.50.dev")),
        wrong(f"{auto}[tied,disk]", "4.46.3"),
        wrong(f"{auto}[tied,disk]", "4.50.dev"),
        plain(f"{auto}[untied,disk]", "4.36.2", Outcome.TIMEOUT, "stood still: no step and no output"),
        plain(f"{mini}[7b]", "4.36.2", Outcome.CRASH, "killed by SIGSEGV", log="Fatal Python error\n"),
        plain(f"{mini}[7b]", "4.46.3", Outcome.OOM, "used more memory than the policy allows"),
        failed(
            f"{mini}[7b]",
            "5.23.0",
            "forward() got an unexpected keyword argument 'cache_position'",
            attempts=[Outcome.PASS, Outcome.FAIL],
        ),
        passed(
            f"{mini}[2b]",
            "5.23.0",
            fingerprint={"model": {"devices": {"cpu": 21}, "dtypes": ["bfloat16"], "tied": ["lm_head.weight"]}},
            warnings=["`torch_dtype` is deprecated! Use `dtype` instead!"],
            measured_at=START - timedelta(days=9),
        ),
        plain(f"{oneke}[cpu]", "4.36.2", Outcome.NOT_RUN, "interrupted"),
        *(
            plain(f"{oneke}[cuda]", version, Outcome.SKIPPED, "no CUDA device on this machine")
            for version in ("4.36.2", "4.46.3", "4.50.dev", "5.23.0")
        ),
    ]
    given = {(row.version, row.cell): row for row in special}
    results = []
    for shown in COLUMNS:
        for cell in (cell for item in scenarios for cell in item.cells):
            if not shown.ready:
                results.append(
                    CellResult(cell=cell, version=shown.version, outcome=Outcome.ENV_FAIL, reason="unreachable")
                )
            else:
                results.append(given.get((shown.version, cell)) or passed(cell, shown.version))
    news = {
        "4.36.2": {f"{auto}[untied,disk]": News.NEW, f"{mini}[7b]": News.REGRESSED},
        "4.46.3": {
            f"{auto}[tied,auto]": News.KNOWN,
            f"{auto}[untied,auto]": News.KNOWN,
            f"{auto}[tied,disk]": News.NEW,
            f"{mini}[7b]": News.REGRESSED,
        },
        "4.50.dev": {f"{auto}[tied,auto]": News.KNOWN, f"{auto}[untied,auto]": News.KNOWN},
        "5.23.0": {f"{mini}[7b]": News.REGRESSED, f"{mini}[2b]": News.CHANGED, f"{auto}[untied,disk]": News.FIXED},
    }
    known = {
        version: {cell: "meta-dispatch" for cell, kind in cells.items() if kind is News.KNOWN}
        for version, cells in news.items()
    }
    return run(scenarios, results, news=news, known=known, compared_with="2026-03-07-a")


def before_small_run() -> Run:
    """The run a week earlier, when everything passed but one cell."""
    now = small_run()
    worse = [
        failed(row.cell, row.version)
        if (row.version, row.cell) == ("5.23.0", "llama/auto-model[untied,disk]")
        else passed(row.cell, row.version)
        for row in now.results
    ]
    return now.model_copy(update={"id": "2026-03-07-a", "results": tuple(worse), "news": {}, "known": {}})


def big_run(versions: int = 5, scenarios: int = 40, variants: int = 10, *, seed: int = 7) -> Run:
    """Of a given shape, about a third of it red.

    As in real life, what a cell does is mostly what its scenario does in that version, and neighbouring
    versions mostly do the same.
    """
    random_ = random.Random(seed)
    families = ("gemma3", "llama", "meta-init", "mini-gemini", "oneke")
    items = [
        scenario(
            f"{families[index * len(families) // scenarios]}/load-by-way-{index}",
            tuple(f"[kind-{number},disk]" for number in range(variants)) if variants > 1 else ("",),
        )
        for index in range(scenarios)
    ]
    columns = [column(f"4.{30 + number}.0", f"4.{30 + number}.0") for number in range(versions)]
    results: list[CellResult] = []
    news: dict[str, dict[str, News]] = {shown.version: {} for shown in columns}
    for item in items:
        for cell in item.cells:
            kind = random_.random()
            for shown in columns:
                kind = random_.random() if random_.random() < 0.3 else kind
                row = _of_kind(kind, cell, shown.version)
                results.append(row)
                if row.outcome.red:
                    news[shown.version][cell] = News.NEW if random_.random() < 0.1 else News.KNOWN
    return run(items, results, columns, news=news)


def _of_kind(kind: float, cell: str, version: str) -> CellResult:
    """One of about forty ways to end: a number from 0 to 1 says which."""
    if kind < 0.2:
        message = f"{META} (kind {int(kind * 150)})"
        return failed(cell, version, message, signature=f"ValueError: {message}")
    if kind < 0.3:
        return wrong(cell, version, signature=f"wrong: tensors, kind {int(kind * 90)}")
    if kind < 0.35:
        return plain(cell, version, Outcome.UNSUPPORTED, "KeyError: 'gemma3'")
    return passed(cell, version)


def placed(cell: str, version: str, *devices: tuple[str, float, float | None, str]) -> CellResult:
    """A cell that planned a placement: device, GiB used, GiB it has (None without a budget), what it holds."""
    placement = [{"device": name, "GiB": used, "of GiB": room, "holds": holds} for name, used, room, holds in devices]
    return passed(cell, version, fingerprint={"placement": placement})


RANGES = tuple(column(f"4.{30 + number}.0", f"4.{30 + number}.0") for number in range(14))


def ranges_run() -> Run:
    """Fourteen versions, so that neighbours are told as ranges.

    ``4.36.0`` shows a substitute, ``4.40.0`` has results from the store, ``4.43.0`` has no environment. ``steady``
    passes everywhere, but warns from ``4.33.0`` on; ``moves`` puts a layer elsewhere from ``4.34.0`` on; ``breaks``
    fails in two ways, the second from ``4.38.0`` on.
    """
    columns = list(RANGES)
    columns[6] = column("4.36.0", "4.36.1", substitute=Substitute(shows="4.36.1", because="yanked"))
    columns[13] = failed_column("4.43.0")
    items = [scenario("llama/steady"), scenario("llama/moves"), scenario("oneke/breaks", ("[a]", "[b]"))]
    results: list[CellResult] = []
    for index, shown in enumerate(columns):
        for cell in (cell for item in items for cell in item.cells):
            if not shown.ready:
                results.append(plain(cell, shown.version, Outcome.ENV_FAIL, "unreachable"))
                continue
            old = {"measured_at": START - timedelta(days=3)} if shown.version == "4.40.0" else {}
            if cell.startswith("oneke/"):
                results.append(
                    failed(cell, shown.version, "one" if index < 8 else "two", signature=f"E{index < 8}", **old)
                )
            elif cell == "llama/moves":
                devices = {"model": {"device_map": {"lm_head": "cpu" if index < 4 else "disk"}}}
                results.append(passed(cell, shown.version, fingerprint=devices, **old))
            else:
                results.append(passed(cell, shown.version, warnings=["old"] if index >= 3 else [], **old))
    return run(items, results, columns)
