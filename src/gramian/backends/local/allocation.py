"""Memory that is freed is kept for the next matrix.

glibc gives blocks above a threshold back to the system at once, and gets the next one from there, page by page: several
threads that make temporary panels then wait for one another in the kernel (a chain of five operators on panels of 1 MB has
been seen to take six times as long on two threads as on one). The thresholds grow by themselves when large blocks are
freed; these are the limits of that growth.
"""

from __future__ import annotations

import ctypes
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST_KEPT = 1 << 25  # bytes of a block; larger ones always go back. glibc takes no more
KEPT = 1 << 26  # bytes at the end of the heap that are kept


@cache
def keep_freed_memory() -> None:
    """Tell the C library, if it is glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
    mallopt(M_TRIM_THRESHOLD, KEPT)
