"""gramian: write an algorithm once as linear algebra, run it on a laptop, out of core, or on Apache Spark."""

__version__ = "0.1.0"
