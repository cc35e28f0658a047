"""How long a source is waited for, and how often it is asked again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits for everything that comes over a network or a cable.

    Attributes:
        open_s: seconds until an address must have answered.
        read_s: seconds until the next picture or the next bytes must have come.
        tries: how often a source that fell silent is connected to again before it is given up.
        first_wait_s: seconds before the second try; doubles with each further one.
        longest_wait_s: where the doubling stops.
    """

    open_s: float = 10.0
    read_s: float = 8.0
    tries: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 8.0

    def wait_s(self, attempt: int) -> float:
        """Seconds to wait before try number `attempt` (from 0; the first comes at once)."""
        return 0.0 if attempt == 0 else min(self.longest_wait_s, self.first_wait_s * 2.0 ** (attempt - 1))


PATIENCE = Patience()
"""What is used where nobody says otherwise."""
