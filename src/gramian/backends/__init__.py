"""Backends: each a folder behind the protocol in `gramian.runtime.backend`."""
