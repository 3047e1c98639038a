"""The Spark backend, which comes with the extra `gramian[spark]`."""
