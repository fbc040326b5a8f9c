"""How backbones compute on a processor: in memory that is kept, and in bfloat16 where nothing is learned."""

from __future__ import annotations

import contextlib
import ctypes
from functools import cache

import torch

__all__ = ["give_back_memory", "has_bfloat16", "reuse_memory"]

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of glibc's mallopt
_LARGE = 2**30


@cache
def reuse_memory() -> None:
    """Let this process keep the memory that large feature maps come and go in.

    glibc gives blocks of more than 32 MiB back to the system as soon as they are free; to have them mapped anew takes
    longer than to compute what is written into them (``benchmarks/precision.py``). With another C library, nothing is
    changed.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        for setting in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
            library.mallopt(setting, _LARGE)


def give_back_memory() -> None:
    """Hand the system what is free of the memory that `reuse_memory` keeps: at the end of a fit, for example."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@cache
def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 numbers; others only imitate it, and take longer."""
    return bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
