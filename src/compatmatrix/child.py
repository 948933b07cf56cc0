"""``python -m compatmatrix.child COMMAND ...``: the commands, in a process that ends with the one that started it.

The parent names every root of scenarios by ``--scenarios``, in order: none that is found here is added to them.

The parent holds the other end of stdin. When that is closed, this process is interrupted as by Ctrl-C, which ends
every tool and probe that it started; where that takes too long, it kills them and itself. A parent that was killed
closes it too: so no system call that only Linux has is needed, and no preparation between fork and exec.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from compatmatrix.column_process import GRACE_SECONDS


def _watch() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 1 << 10):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    from compatmatrix.execute.processes import descendants

    for pid in list(descendants(os.getpid())):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from compatmatrix import roots
    from compatmatrix.cli import main

    os.environ[roots.ALL_NAMED] = "1"
    threading.Thread(target=_watch, name="parent", daemon=True).start()
    main()
