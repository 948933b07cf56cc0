"""Processes: fork, the command line, the order of imports."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

import virtualcuda

pytestmark = pytest.mark.torch

SOURCES = str(Path(virtualcuda.__file__).parent.parent)


def python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": SOURCES, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_code(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return python("-c", textwrap.dedent(code), **environment)


def test_forked_children_inherit_and_are_apart() -> None:
    """As a zygote does: import and activate once, then fork for every piece of work."""
    done = run_code(
        """
        import os, virtualcuda
        os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # as the probe does
        virtualcuda.activate(2, "1MiB")
        import torch
        assert len(os.listdir("/proc/self/task")) == 1, "a thread would make the fork unsafe"
        kept = torch.ones(256, device="cuda:1")
        for child in range(3):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    with virtualcuda.devices(4, memory="2MiB"):
                        kept.add_(child)
                        assert kept.sum() == 256 * (1 + child)
                        layer = torch.nn.Linear(4, 4).to("cuda:3")
                        layer(torch.ones(1, 4, device="cuda:3")).sum().backward()
                        assert layer.weight.grad.device == torch.device("cuda:3")
                        try:
                            torch.empty(3 << 20, dtype=torch.uint8, device="cuda:0")
                        except torch.cuda.OutOfMemoryError:
                            status = 10 + child
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 10 + child
        assert kept.sum() == 256 and virtualcuda.statistics(0).failures == 0
        print("parent untouched", torch.cuda.device_count())
        """
    )
    assert done.stdout == "parent untouched 2\n", done.stderr


def test_run_a_script_with_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("NAME = 'neighbour'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, torch, neighbour\n"
        "assert __name__ == '__main__'\n"
        "print(sys.argv[1:], neighbour.NAME, [torch.cuda.mem_get_info(i) for i in range(torch.cuda.device_count())])\n"
        "sys.exit(5)\n"
    )
    done = python("-m", "virtualcuda", "run", "-n", "2", "--memory", "1GiB,2MiB", str(script), "--memory", "7")
    assert done.stdout == f"['--memory', '7'] neighbour [({1 << 30}, {1 << 30}), ({2 << 20}, {2 << 20})]\n", done.stderr
    assert done.returncode == 5


def test_run_a_module() -> None:
    done = python("-m", "virtualcuda", "run", "--free", "1MiB", "-m", "torch.utils.collect_env", "--help")
    assert done.returncode == 0, done.stderr


def test_help_teaches() -> None:
    done = python("-m", "virtualcuda", "--help")
    assert done.returncode == 0
    for word in ("examples:", "--memory 24GiB", "build", "CPU-only"):
        assert word in done.stdout
    assert python("-m", "virtualcuda").returncode == 2
    wrong = python("-m", "virtualcuda", "run", "--memory", "lots", "x.py")
    assert wrong.returncode == 2 and "is not a size" in wrong.stderr
    uneven = python("-m", "virtualcuda", "run", "-n", "3", "--memory", "1GiB,2GiB", "x.py")
    assert uneven.returncode == 2 and "names 2 sizes for 3 devices" in uneven.stderr


def test_build_prints_the_cached_path() -> None:
    done = python("-m", "virtualcuda", "build")
    assert done.returncode == 0 and done.stdout.strip() == str(virtualcuda.build())
    assert torch.__version__ in done.stdout


def test_too_late_and_inactive() -> None:
    done = run_code(
        """
        import virtualcuda, torch
        assert not virtualcuda.is_active() and not torch.cuda.is_available()
        try:
            virtualcuda.device_count()
        except virtualcuda.VirtualCudaError as error:
            print(error)
        virtualcuda.activate()
        """
    )
    assert "call virtualcuda.activate() first" in done.stdout
    assert "TooLateError: torch is imported already" in done.stderr


def test_no_compiler(tmp_path: Path) -> None:
    code = "import virtualcuda; print(virtualcuda.why_unavailable()); virtualcuda.activate()"
    done = run_code(code, PATH="/nowhere", VIRTUALCUDA_CACHE=str(tmp_path))
    assert "needs a C++ compiler" in done.stdout and "apt-get install g++" in done.stdout
    assert "NoCompilerError" in done.stderr
    done = python("-m", "virtualcuda", "build", CXX="no-such-compiler", VIRTUALCUDA_CACHE=str(tmp_path))
    assert done.returncode == 3 and "tried CXX=no-such-compiler" in done.stderr


def test_a_built_shim_needs_no_compiler() -> None:
    done = python("-m", "virtualcuda", "build", PATH="/nowhere")
    assert done.returncode == 0 and Path(done.stdout.strip()).exists()


def test_a_compiler_that_fails(tmp_path: Path) -> None:
    compiler = tmp_path / "broken"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "fatal: no space"; exit 4\n')
    compiler.chmod(0o755)
    done = python("-m", "virtualcuda", "build", CXX=str(compiler), VIRTUALCUDA_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 3
    assert "exit 4" in done.stderr and "fatal: no space" in done.stderr
    assert not list((tmp_path / "cache").glob("*.so"))
