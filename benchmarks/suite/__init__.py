"""What runs the workloads: inputs, workers for each side, comparison of results, the table."""
