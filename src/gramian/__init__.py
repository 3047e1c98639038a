"""gramian: write an algorithm once as linear algebra, run it on a laptop, out of core, or on Apache Spark."""

import os

__version__ = "0.1.0"

# The threads of NumPy's library for products go on spinning after each product, for up to 20 ms, and take their cores from
# the threads that run pipelines and convolutions: a training step of LeNet has been seen to take 95 ms instead of 60.
# The library reads this when NumPy is imported; what the user has set stays.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
