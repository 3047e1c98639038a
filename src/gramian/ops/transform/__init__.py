"""Frames to matrices and back: the transform functions, driven by a specification in JSON."""

from gramian.ops.transform import records as records
