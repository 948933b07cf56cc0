"""What can go wrong before a virtual device exists. Every message says what to do next."""


class VirtualCudaError(RuntimeError):
    """Any refusal of virtualcuda itself (torch's own errors stay torch's)."""


class NoCompilerError(VirtualCudaError):
    """The shim is not built yet and this machine has no C++ compiler."""


class UnsuitableTorchError(VirtualCudaError):
    """torch is missing, is a CUDA build, or lacks the files that the shim is built from."""


class BuildError(VirtualCudaError):
    """The compiler refused the shim; the message carries its output."""


class TooLateError(VirtualCudaError):
    """torch was imported before the devices were activated."""
