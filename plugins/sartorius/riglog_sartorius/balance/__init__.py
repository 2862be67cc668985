"""The balance as its user sees it: one vocabulary over both protocols, one file per reason to ask it something."""

from riglog_sartorius.balance.balance import Balance, Snapshot

__all__ = ["Balance", "Snapshot"]
