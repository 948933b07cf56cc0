"""A program of its own: a load over two cards in a process whose hash seed somebody has chosen.

``python _hash_seed.py CHECKPOINT MAP PROMPTS RESULT``: MAP and PROMPTS are JSON; RESULT is written with ``torch.save``
and holds, as far as it came, ``main`` (where accelerate sends the inputs), ``logits``, ``written`` and ``error``.
What it does next it says on its standard output.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping

import virtualcuda

_MOST_SEEDS = 64
_NEXT = "next: "


def first_of(names: List[str], seed: int) -> str:
    """Which of the names a set has first under a hash seed."""
    code = "import sys; print(list(set(sys.argv[1:]))[0])"
    return subprocess.check_output([sys.executable, "-c", code, *names], env=_environment(seed), text=True).strip()


def seeds(names: List[str]) -> Dict[str, int]:
    """For each name the first hash seed under which a set has it first."""
    found: Dict[str, int] = {}
    for seed in range(1, _MOST_SEEDS):
        found.setdefault(first_of(names, seed), seed)
        if len(found) == len(names):
            break
    return found


def load(
    checkpoint: Path, device_map: Mapping[str, Any], prompts: List[List[int]], seed: int, step: Callable[[str], None]
) -> Dict[str, Any]:
    """Run this file under a hash seed; what it wrote. ``step`` is told of its progress.

    Raises:
        subprocess.CalledProcessError: it ended without a result.
    """
    import torch

    result = checkpoint.parent / f"seed-{seed}.pt"
    asked = [str(checkpoint), json.dumps(device_map), json.dumps(prompts), str(result)]
    code = "import runpy, sys; sys.path[0] = sys.argv.pop(1); runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    package = str(Path(virtualcuda.__file__).resolve().parents[1])
    command = [sys.executable, "-s", "-c", code, package, __file__, *asked]
    with subprocess.Popen(command, env=_environment(seed), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(_NEXT):
                step(f"{line[len(_NEXT) :].strip()} under seed {seed}")
            else:
                sys.stdout.write(line)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    loaded: Dict[str, Any] = torch.load(str(result), weights_only=True)
    return loaded


def _environment(seed: int) -> Dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": str(seed)}


def _say(step: str) -> None:
    sys.stdout.write(f"{_NEXT}{step}\n")
    sys.stdout.flush()


def _main(checkpoint: str, device_map: str, prompts: str, result: str) -> None:
    _say("imports")
    virtualcuda.activate(devices=2, memory="4GiB")
    import torch
    import transformers

    torch.use_deterministic_algorithms(True)
    told: Dict[str, Any] = {}
    try:
        _say("from_pretrained")
        model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, device_map=json.loads(device_map)).eval()
        told["main"] = str(model._hf_hook.execution_device)
        ids = torch.tensor(json.loads(prompts), device="cuda:0")
        _say("answers")
        with torch.no_grad():
            told["logits"] = model(input_ids=ids).logits.cpu()
            written = model.generate(ids, max_new_tokens=4, do_sample=False, attention_mask=torch.ones_like(ids))
        told["written"] = written.cpu()
    except Exception as error:
        told["error"] = f"{type(error).__name__}: {error}"
    torch.save(told, result)


if __name__ == "__main__":
    _main(*sys.argv[1:])
