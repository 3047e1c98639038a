"""gramian on Spark, beside itself on one machine and beside others on Spark."""
