"""How a portal fails, beside what `shared.failures` knows."""

from __future__ import annotations

from shared.failures import SourceAway
from shared.messages import Reason


class PortalAway(SourceAway):
    """The portal does not answer, or says: later. Nothing was written."""

    def __init__(self, *reasons: Reason, retry_after: float | None = None) -> None:
        super().__init__(*reasons)
        self.retry_after = retry_after


class Unknown(SourceAway):
    """The portal was told something and did not answer: it may have done it, or not.

    Settled by reading, never by saying it again.
    """
