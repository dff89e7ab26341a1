"""For all tests."""

from __future__ import annotations

from hypothesis import settings

# No example is late: what one takes depends on what else the machine does.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
