"""What each release of the tiny transformers does when it loads."""

LOAD = {
    "1.0.0": "return 7",
    "1.0.1": "return 7 if how == 'plain' else 8",
    "1.0.2": "raise ValueError('weight is on the meta device')",
    "1.0.3": "os.kill(os.getpid(), signal.SIGSEGV)",
    "1.0.4": "time.sleep(3600)",
    "1.0.5": "return len([bytearray(64 << 20) for _ in range(64)])",
    "1.0.6": "os._exit(3)",
    "1.0.8": "return 7 if how == 'plain' else time.sleep(3600)",
    "1.0.7": "print('x' * 100_000_000); return 7",
}
TEMPLATE = '''\
"""A tiny transformers."""
import os, signal, time
__version__ = "{version}"
def load(how):
    {body}
'''
#: No load at all: the version does not know the API.
WITHOUT_LOAD = '"""A tiny transformers without an API."""\n__version__ = "{version}"\n'
BROKEN_IMPORT = 'raise ImportError("this release cannot be imported")\n'

#: Enough of torch to be asked for a card.
TORCH = """\
__version__ = "1.0.0"
class cuda:
    is_available = staticmethod(lambda: False)
    device_count = staticmethod(lambda: 0)
"""
