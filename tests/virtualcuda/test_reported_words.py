"""Words that real cards gave, as people reported them: the same call on virtual cards raises in the same words.

Older versions of torch did not say where the argument is: of those reports, it and the method are compared.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import virtualcuda

pytestmark = pytest.mark.torch


def on(device: str, *size: int) -> Any:
    return torch.randn(*size, device=device)


def ids(device: str) -> Any:
    return torch.zeros(2, 1, dtype=torch.long, device=device)


def long(*size: int) -> Any:
    return torch.ones(*size, dtype=torch.long, device="cuda:0")


def checked(argument: str, method: str) -> str:
    return rf"Expected all tensors to be on the same device, but got {argument} is .*wrapper_CUDA_{method}\)$"


#: Where it was reported (github.com), the call, and the words, as a pattern.
REPORTED: dict[str, tuple[Callable[[], Any], str]] = {
    "ClownsharkBatwing/RES4LYF#223": (
        lambda: F.linear(on("cpu", 2, 4), on("cuda:0", 4, 4), on("cuda:0", 4)),
        re.escape(
            "Expected all tensors to be on the same device, but got mat1 is on cpu, different from other tensors on "
            "cuda:0 (when checking argument in method wrapper_CUDA_addmm)"
        ),
    ),
    "yolain/ComfyUI-Easy-Use#937": (
        lambda: F.linear(on("cpu", 2, 4), on("cuda:0", 4, 4)),
        re.escape(
            "Expected all tensors to be on the same device, but got mat2 is on cuda:0, different from other tensors on "
            "cpu (when checking argument in method wrapper_CUDA_mm)"
        ),
    ),
    "haotian-liu/LLaVA#1081": (
        lambda: F.linear(on("cpu", 2, 4), on("cuda:0", 4, 4), on("cuda:0", 4)),
        checked("mat1", "addmm"),
    ),
    "Lightricks/LTX-Video#24": (lambda: F.linear(on("cuda:0", 2, 4), on("cpu", 4, 4)), checked("mat2", "mm")),
    "InternLM/xtuner#399": (lambda: F.linear(on("cuda:0", 2, 4), on("cuda:1", 4, 4)), checked("mat2", "mm")),
    "huggingface/alignment-handbook#209": (
        lambda: F.embedding(ids("cpu"), on("cuda:1", 4, 4)),
        checked("index", "_index_select"),
    ),
    "boson-ai/higgs-audio#87": (lambda: F.embedding(ids("cuda:0"), on("cpu", 4, 4)), checked("index", "_index_select")),
    "sipie800/ComfyUI-PuLID-Flux-Enhanced#70": (
        lambda: F.layer_norm(on("cuda:0", 2, 4), (4,), on("cpu", 4), on("cpu", 4)),
        checked("weight", "_native_layer_norm"),
    ),
    "scraed/LanPaint#6": (lambda: torch.cat([on("cuda:0", 2), on("cpu", 2)]), checked("tensors", "cat")),
    "Comfy-Org/ComfyUI#7746": (lambda: torch.cat([on("cpu", 2), on("cuda:0", 2)]), checked("tensors", "cat")),
    "shibing624/MedicalGPT#134": (
        lambda: F.cross_entropy(on("cuda:1", 2, 4), ids("cuda:0").flatten()),
        checked("target", "nll_loss_forward"),
    ),
    "asahi417/lmppl#14": (
        lambda: F.cross_entropy(on("cuda:0", 2, 4), ids("cpu").flatten()),
        checked("target", "nll_loss_forward"),
    ),
    "zhongyy/Face-Transformer#37": (
        lambda: on("cuda:0", 4, 4).scatter_(1, ids("cuda:1"), 1.0),
        checked("index", "scatter__value"),
    ),
    "deepspeedai/DeepSpeedExamples#743": (
        lambda: on("cpu", 4)[ids("cuda:0").flatten()],
        r"^indices should be either on cpu or on the same device as the indexed tensor \(cpu\)$",
    ),
    "archon159/SELOR#8": (lambda: long(2, 2) @ long(2, 2), "^\"addmm_cuda\" not implemented for 'Long'$"),
    "helmholtz-analytics/heat#657": (
        lambda: long(2, 2).int() @ long(2, 2).int(),
        "^\"addmm_cuda\" not implemented for 'Int'$",
    ),
    "pytorch/pytorch#89338": (lambda: long(3, 2, 2) @ long(3, 2, 2), "^\"baddbmm_cuda\" not implemented for 'Long'$"),
    "pytorch/pytorch#16417": (
        lambda: torch.empty(70 << 20, dtype=torch.uint8, device="cuda:0"),
        r"^CUDA out of memory. Tried to allocate 70.00 MiB. GPU 0 has a total capacity of 64.00 MiB of which "
        r"\d+.\d\d MiB is free. ",
    ),
}


@pytest.mark.parametrize("report", REPORTED)
def test_reported(report: str) -> None:
    call, message = REPORTED[report]
    with virtualcuda.devices(2, memory="64MiB"), pytest.raises(RuntimeError, match=message):
        call()


def test_a_convolution_of_the_cpus_picture_says_otherwise() -> None:
    """AUTOMATIC1111/stable-diffusion-webui#14097 has ``argument weight in method wrapper_CUDA___slow_conv2d_forward``.

    Which of the two a real machine says depends on the way that torch chooses for the CPU's input.
    """
    with pytest.raises(
        RuntimeError, match=r"Input type \(torch.FloatTensor\) and weight type \(torch.cuda.FloatTensor"
    ):
        F.conv2d(on("cpu", 1, 3, 8, 8), on("cuda:0", 4, 3, 3, 3))
