"""gramian: write an algorithm once as linear algebra, run it on a laptop, out of core, or on Apache Spark."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gramian.api.session import Session as Session

__version__ = "0.1.0"

# The threads of NumPy's library for products go on spinning after each product, for up to 20 ms, and take their cores from
# the threads that run pipelines and convolutions: a training step of LeNet has been seen to take 95 ms instead of 60.
# The library reads this when NumPy is imported; what the user has set stays.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


def __getattr__(name: str) -> Any:
    """`Session` is here when somebody asks for it, so that the command line starts without NumPy."""
    if name == "Session":
        from gramian.api.session import Session

        return Session
    raise AttributeError(f"module 'gramian' has no attribute '{name}'")
