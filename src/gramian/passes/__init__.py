"""Compiler passes: pure functions from program to program, one file each, in the order of `pipeline.PIPELINE`."""
