"""Exponential back-off: how long to wait before the next attempt."""


class Backoff:
    """Waits that double from `first_s` up to `last_s`.

    Args:
        first_s: The wait after the first failure, in seconds.
        last_s: The longest wait, in seconds.
    """

    def __init__(self, first_s: float, last_s: float) -> None:
        self._first_s, self._last_s = first_s, last_s
        self._next_s = first_s

    def failed(self) -> float:
        """Count a failure.

        Returns:
            How long to wait before the next attempt, in seconds.
        """
        wait_s, self._next_s = self._next_s, min(2 * self._next_s, self._last_s)
        return wait_s

    def succeeded(self) -> None:
        """Start again from the first wait."""
        self._next_s = self._first_s
