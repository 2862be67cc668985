"""The proof of samples that were read already, by a check that is still to come."""


class PendingProof:
    """A check that is still to come. It is open until then; whoever waits no longer lets it expire.

    Attributes:
        flag, error: of the samples if they are not proven.
    """

    __slots__ = ("error", "flag", "is_open", "is_proven")

    def __init__(self, flag: str, error: str) -> None:
        self.flag = flag
        self.error = error
        self.is_open = True
        self.is_proven = False

    def prove(self) -> None:
        """The check proves the samples."""
        if self.is_open:
            self.is_open, self.is_proven = False, True

    def expire(self) -> None:
        """There is no check that could prove them."""
        self.is_open = False

    def refute(self, flag: str, error: str) -> None:
        """The check shows why they may be wrong."""
        if self.is_open:
            self.is_open, self.flag, self.error = False, flag, error
