"""Row-panel pipelines on this machine: by compiled loops, or panel by panel with NumPy."""
