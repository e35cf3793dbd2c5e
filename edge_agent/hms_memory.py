"""Which HMS entries have been reported, on disk, so that neither a full frame nor a restart reports one twice."""

from collections.abc import Iterable

from edge_agent.store import Store

Entry = tuple[int, int]


class HmsMemory:
    """Entries by printer, as (attr, code)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def known(self, printer: str) -> set[Entry]:
        """The entries reported and not yet cleared."""
        rows = self._store.rows("SELECT attr, code FROM hms WHERE printer = ?", (printer,))
        return {(row["attr"], row["code"]) for row in rows}

    def change(self, printer: str, added: Iterable[Entry], removed: Iterable[Entry]) -> None:
        """Note new and cleared entries."""
        with self._store.transaction():
            for attr, code in added:
                self._store.execute("INSERT OR IGNORE INTO hms VALUES (?, ?, ?)", (printer, attr, code))
            for attr, code in removed:
                self._store.execute(
                    "DELETE FROM hms WHERE printer = ? AND attr = ? AND code = ?", (printer, attr, code)
                )
