"""Frames to matrices and back: the transform functions, driven by a specification in JSON."""

import gramian.ops.transform.records  # noqa: F401
