"""From torch's native_functions.yaml: which operators have a CUDA kernel, and which of them check devices.

The yaml comes with every torch, so the checks are those of the version at hand. It is read line by line, because an
environment that has torch need not have a yaml reader, and its form is fixed (torchgen reads it, too).
"""

import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set


class Operator(NamedTuple):
    """One entry: its name with overload, its plain fields, and the dispatch keys it has kernels for."""

    name: str
    fields: Dict[str, str]
    keys: Set[str]

    def is_structured(self) -> bool:
        return "structured" in self.fields or "structured_delegate" in self.fields


def read_operators(path: Path) -> Dict[str, Operator]:
    """All entries of a native_functions.yaml, by name (``mm.out``)."""
    operators: Dict[str, Operator] = {}
    current = Operator("", {}, set())
    field = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("- func:"):
            current = Operator(line[len("- func:") :].split("(")[0].strip(), {}, set())
            operators[current.name] = current
        elif re.match(r"  \w+:", line):
            field, _, value = line.strip().partition(":")
            current.fields[field] = value.split("#")[0].strip()
        elif field == "dispatch" and re.match(r"    [\w, ]+:", line):
            current.keys.update(key.strip() for key in line.split(":")[0].split(","))
    return operators


def has_cuda_kernel(operator: Operator, operators: Dict[str, Operator]) -> bool:
    """Whether CUDA has a kernel of its own, directly or through the ``out`` overload that a structured one uses."""
    if "CUDA" in operator.keys or "ufunc_inner_loop" in operator.fields:
        return True
    delegate = operator.fields.get("structured_delegate")
    return delegate in operators and has_cuda_kernel(operators[delegate], operators)


def _wrapper_name(operator: Operator) -> str:
    """What torchgen calls the CUDA wrapper; it stands in the message of a failed device check."""
    base, _, overload = operator.name.partition(".")
    if not operator.is_structured():
        return f"wrapper_CUDA_{overload}_{base}"
    # Called through the overload that returns a tensor, which is what nearly every program does.
    overload = re.sub(r"_?out$", "", overload)
    return f"wrapper_CUDA_{base}_{overload}" if overload else f"wrapper_CUDA_{base}"


def table_rows(operators: Dict[str, Operator]) -> Iterator[str]:
    """The rows of checks.h's table, in C++."""
    for operator in operators.values():
        composed = any(key.startswith("Composite") for key in operator.keys)
        if has_cuda_kernel(operator, operators):
            check = "iterator" if operator.fields.get("device_check") == "NoCheck" else "exact"
        elif "CPU" in operator.keys and not composed:
            check = "absent"
        else:
            continue  # composed of other operators: those are checked
        yield f'{{"aten::{operator.name}", Check::{check}, "{_wrapper_name(operator)}"}},'


def render(path: Path) -> str:
    """The text of operators.inc from the yaml at `path`; raises ValueError if that is not one."""
    operators = read_operators(path)
    rows: List[str] = list(table_rows(operators))
    if len(rows) < 500 or "mm" not in operators:
        raise ValueError(f"{path} does not look like torch's native_functions.yaml ({len(rows)} operators found)")
    return "\n".join(["// Generated from torch's native_functions.yaml by operator_table.py.", *rows, ""])
