"""What a machine has: where networks run, and how want of memory is told."""

from engine.errors import SightlineError

_SAID = ("out of memory", "not enough memory", "can't allocate memory", "defaultcpuallocator", "std::bad_alloc")


def pick_device(device: str) -> str:
    """ "auto" as "cuda", "mps" or "cpu"; anything else is checked.

    Raises:
        SightlineError: the device is not here.
    """
    import torch

    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if here[name])
    if not here.get(device):
        raise SightlineError(f"There is no device “{device}” on this machine: choose auto or cpu.")
    return device


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch, numpy or OpenCV says that memory ran short."""
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in _SAID)
