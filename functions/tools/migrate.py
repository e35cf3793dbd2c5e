"""Brings stored documents to the version of their record that the functions write.

    python -m tools.migrate [--apply] [--collection NAME]… [--after ID] [--limit N]

It goes through each collection by the documents' ids and prints a line of JSON for each; without `--apply` it only
counts. The environment is that of the functions. Documents are rewritten as they were read or not at all, so it may run
beside the functions and be ended at any time: with one collection, `--after` goes on behind the id that was printed
last. The functions read the version before as well; they are deployed first, and this is run after.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from printpipe.domain.ports.documents import REMOVE, Document, Documents, PreconditionFailed, Query, Update
from printpipe.domain.records import Stored, UnknownSchema
from printpipe.runtime import ports, settings
from tools.indexes import stored_records

BATCH = 200
"""Documents that are read and written together."""


@dataclass
class Tally:
    """What was found of a collection: documents, and how many of them are of the version before.

    Of those, how many were `migrated`, or `changed` by others meanwhile; `unread` are of versions that are unknown
    here. `after` is the id that it came to.
    """

    collection: str
    documents: int = 0
    older: int = 0
    migrated: int = 0
    changed: int = 0
    unread: int = 0
    after: str | None = None


def migrate(
    documents: Documents, collection: str, record: type[Stored], tally: Tally, *, apply: bool, most: int | None = None
) -> Iterator[Tally]:
    """Goes through a collection behind `tally.after`; tells how far it is after every batch."""
    while most is None or tally.documents < most:
        size = BATCH if most is None else min(BATCH, most - tally.documents)
        behind = [tally.after] if tally.after is not None else None
        page = documents.query(Query(collection, limit=size, after=behind))
        _bring_up(documents, page, record, tally, apply=apply)
        if page:
            tally.after = page[-1].id
        yield tally
        if len(page) < size:
            return


def changes(record: type[Stored], document: Document) -> Mapping[str, Any]:
    """The fields of a document that become others; none where it is up to date. Raises `UnknownSchema`."""
    before, after = document.data, record.current(document)
    written = {name: value for name, value in after.items() if name not in before or before[name] != value}
    return {**written, **{name: REMOVE for name in before if name not in after}}


def _bring_up(
    documents: Documents, page: Sequence[Document], record: type[Stored], tally: Tally, *, apply: bool
) -> None:
    updates = []
    for document in page:
        tally.documents += 1
        try:
            fields = changes(record, document)
        except UnknownSchema as error:
            tally.unread += 1
            print(error, file=sys.stderr)
            continue
        if fields:
            updates.append(Update(document.path, fields, document.version))
    tally.older += len(updates)
    if apply and updates:
        _write(documents, updates, tally)


def _write(documents: Documents, updates: Sequence[Update], tally: Tally) -> None:
    """Writes them together, or one by one where somebody has changed one of them: that one is for another time."""
    try:
        documents.commit(*updates)
    except PreconditionFailed:
        if len(updates) == 1:
            tally.changed += 1
            return
        for update in updates:
            _write(documents, [update], tally)
    else:
        tally.migrated += len(updates)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where documents are left of which this version knows nothing, or that were changed."""
    configured = settings.settings()
    names = configured.policy().collections
    records = {getattr(names, each): record for each, record in stored_records() if issubclass(record, Stored)}
    parser = argparse.ArgumentParser(prog="tools.migrate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--apply", action="store_true", help="writes; without it nothing is changed")
    parser.add_argument("--collection", action="append", choices=sorted(records), help="this one only")
    parser.add_argument("--after", help="go on behind this id; with one --collection")
    parser.add_argument("--limit", type=int, help="at most so many documents of each collection")
    chosen = parser.parse_args(arguments)
    if chosen.after is not None and len(chosen.collection or ()) != 1:
        parser.error("--after needs one --collection")
    left = 0
    for name in chosen.collection or sorted(records):
        tally = Tally(name, after=chosen.after)
        store = ports.platform(configured).documents
        for _ in migrate(store, name, records[name], tally, apply=chosen.apply, most=chosen.limit):
            if tally.documents and tally.documents % (BATCH * 50) == 0:
                print(json.dumps(vars(tally)), file=sys.stderr)
        print(json.dumps(vars(tally)))
        left += tally.unread + tally.changed
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
