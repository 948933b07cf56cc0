"""Differences between a real card and a virtual one that docs/virtual-cuda.md tells of, each with its reason."""

import re
from typing import NamedTuple


class Known(NamedTuple):
    """A kind of difference: by section, case and both answers (patterns that are searched for)."""

    reason: str
    section: str = ""
    case: str = ""
    real: str = ""
    virtual: str = ""

    def explains(self, section: str, case: str, real: str, virtual: str) -> bool:
        """Whether this is such a difference."""
        pairs = ((self.section, section), (self.case, case), (self.real, real), (self.virtual, virtual))
        return all(re.search(pattern, text) for pattern, text in pairs)


KNOWN = (
    Known(
        "only CUDA has the kernel, or the tensor is not dense",
        virtual=r"virtualcuda cannot run|virtualcuda: .* dense tensors only",
    ),
    Known(
        "the CPU's kernel lacks the dtype",
        real="^taken",
        virtual=r"virtualcuda runs|MKL FFT doesn't support|on CPU does not support",
    ),
    Known("the message ends otherwise", real="OutOfMemoryError: CUDA out of memory", virtual=r"\(virtual device\)"),
    Known("a cached block that is little larger is given whole", section="memory", case="^(large|any) .* freed"),
    Known("free memory falls by whole segments", section="memory", case="^free falls"),
    Known("figures that do not exist here are 0 or missing", section="others", case="^(memory_stats|properties)$"),
    Known("a generator's state has another form", section="others", case="^a (generator's state|state of the cpu)$"),
    Known("the CPU's error at once", section="others", case="^an index out of range$", virtual="IndexError"),
    Known("memory is never pinned", section="others", case="^(is_pinned|pin_memory)$"),
    Known("CUDA's kernels give their own alerts", section="others", case="^deterministic: ", real="determinis"),
    Known("an out-of-range device is named in other words", section="others", case=r"\(3\)$|: of the cpu$"),
    Known("torch.cuda.FloatTensor is not there", section="others", case="^typed constructor$"),
    Known("there is no cuDNN", real="_cudnn_|cudnn", virtual="_native_batch_norm"),
)


def reason(section: str, case: str, real: str, virtual: str) -> str | None:
    """Why the answers differ; None where no rule knows it."""
    return next((known.reason for known in KNOWN if known.explains(section, case, real, virtual)), None)
