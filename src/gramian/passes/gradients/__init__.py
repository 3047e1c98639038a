"""Reverse mode for `passes/differentiate.py`: the statements that compute a function's derivatives."""
