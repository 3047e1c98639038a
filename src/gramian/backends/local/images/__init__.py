"""Convolution and pooling by compiled loops, on all cores; `gramian.ops.nn` says what they mean."""
