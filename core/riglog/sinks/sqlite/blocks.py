"""Which block takes the readings of a flush, and when blocks are merged: the profiles of the SQLite sink.

A block is clustered: all its readings of a channel are side by side. To add few readings of each of many channels to a
large block changes a page for each, and a page is written as a whole. So such a flush becomes a small block of its own
at the end of the table, and many small blocks are merged from time to time.

``desk``: they are merged into the one block of the run, where questions are answered fastest. ``card``: they are merged
into a new block, so that nothing is written more than twice to flash memory; questions search each block.
"""

import sqlite3
from typing import Literal

Profile = Literal["desk", "card"]
MANY_OF_A_CHANNEL = 5
"""So many readings of each channel are added to the large block of ``desk`` at once."""
MERGED_OF_A_CHANNEL = {"desk": 50, "card": 200}
LEAST_MERGED = {"desk": 2_000, "card": 20_000}
COLUMNS = "channel_id, received_ns, n, value, annotation_id, tick, latency_ns, skew_ns, own_ns"


class Blocks:
    """The blocks of a run. Later blocks have later readings of each channel."""

    def __init__(self, database: sqlite3.Connection, run_id: int, profile: Profile) -> None:
        self._database = database
        self._run_id = run_id
        self._profile = profile
        self._merged = 0  # the block to which is added, if no small one is behind it
        self._small: list[int] = []
        self._rows = 0  # in the small ones
        self.load()

    def load(self) -> None:
        """Read them from the file: a run is resumed, or a transaction was rolled back."""
        found = self._database.execute("SELECT id, merged FROM block WHERE run_id = ? ORDER BY id", (self._run_id,))
        self._small = []
        for block, merged in found:
            if merged:
                self._merged, self._small = block, []
            else:
                self._small.append(block)
        self._rows = sum(
            self._database.execute("SELECT count(*) FROM reading WHERE block_id = ?", (block,)).fetchone()[0]
            for block in self._small
        )

    def next(self, rows: int, channels: int) -> int:
        """Return the block that takes the readings of a flush. Within its transaction."""
        if self._profile == "desk" and not self._small and rows >= MANY_OF_A_CHANNEL * channels:
            return self._merged
        block = self._insert(merged=False)
        self._small.append(block)
        self._rows += rows
        return block

    def merge_if_due(self, channels: int) -> None:
        """Merge the small blocks if there are enough of them. In a transaction of its own, after that of the flush."""
        if self._rows >= max(LEAST_MERGED[self._profile], MERGED_OF_A_CHANNEL[self._profile] * channels):
            self.merge()

    def merge(self) -> None:
        """Merge the small blocks."""
        if not self._small:
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            target = self._merged if self._profile == "desk" else self._insert(merged=True)
            span = self._small[0], self._small[-1]
            self._database.execute(
                f"INSERT INTO reading SELECT ?, {COLUMNS} FROM reading WHERE block_id BETWEEN ? AND ?"  # noqa: S608
                " ORDER BY channel_id, received_ns, n",
                (target, *span),
            )
            self._database.execute("DELETE FROM reading WHERE block_id BETWEEN ? AND ?", span)
            self._database.execute("DELETE FROM block WHERE id BETWEEN ? AND ?", span)
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._merged, self._small, self._rows = target, [], 0

    def _insert(self, *, merged: bool) -> int:
        cursor = self._database.execute("INSERT INTO block (run_id, merged) VALUES (?, ?)", (self._run_id, merged))
        assert cursor.lastrowid is not None
        return cursor.lastrowid
