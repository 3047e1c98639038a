"""Settings for all tests: machines are noisy, so no test depends on time; what hypothesis tries is the same in every run."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
