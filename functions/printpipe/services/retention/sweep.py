"""Removes what has had its time, a bounded number of documents at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Document, PreconditionFailed, Write
from printpipe.services.context import Context
from printpipe.services.retention.rules import RULES, Going, Rule
from printpipe.services.store import bookmarks
from printpipe.services.store.abreast import each
from printpipe.services.store.retention_queries import After

LONGEST = timedelta(seconds=240)
MOST_EACH = 10_000
"""Documents that one run looks at by one rule."""

_PAGE = 400
_BATCH = 400
"""Writes of one commit."""


@dataclass(frozen=True)
class Swept:
    """What a run did: documents that went, by rule, and whether it came to the end of every rule."""

    gone: Mapping[str, int]
    complete: bool


def sweep(context: Context, rules: Sequence[Rule] = RULES) -> Swept:
    """Removes what each rule finds. What was not done is left to the next run, as is what cannot be done now.

    A rule goes on behind the document that its last run came to, and has its share of the time. Several runs at once
    do together what one would.
    """
    ends, gone, complete = context.now() + LONGEST, dict[str, int](), True
    for number, rule in enumerate(rules):
        now = context.now()
        share = (ends - now) / (len(rules) - number)
        try:
            removed, done = _apply(context, rule, now + share)
        except Exception:
            log_failure("retention_failed", rule=rule.name)
            complete = False
            continue
        complete = complete and done
        if removed:
            gone[rule.name] = removed
    log("retention_swept", complete=complete, **gone)
    return Swept(gone, complete)


def _apply(context: Context, rule: Rule, until: datetime) -> tuple[int, bool]:
    """How many documents went by a rule, and whether it came to its end."""
    name, cutoff = f"retention-{rule.name}", context.now() - rule.age(context.policy.retention)
    begun_after = bookmarks.read(context, name)
    after, looked_at, removed = _read(begun_after), 0, 0
    complete = False
    while not complete and looked_at < MOST_EACH and context.now() < until:
        page = context.documents.query(rule.find(context.collections, cutoff, after, _PAGE))
        removed += _remove(context, rule, page)
        looked_at += len(page)
        complete = len(page) < _PAGE
        if page:
            after = (page[-1].data[rule.date], page[-1].id)
    bookmarks.move(context, name, begun_after, None if complete else _text(after))
    return removed, complete


def _remove(context: Context, rule: Rule, page: Sequence[Document]) -> int:
    """How many of these went."""
    going: list[Going] = []
    for document in page:
        try:
            found = rule.going(context, document)
        except Exception:  # it keeps nothing else back
            log_failure("retention_failed", rule=rule.name, document=document.path)
            continue
        going += [found] if found else []
    each(context.platform.files.delete, [name for one in going for name in one.before])
    gone = [one for batch in _batches(going) for one in _commit(context, batch)]
    each(context.platform.files.delete, [name for one in gone for name in one.afterwards])
    return len(gone)


def _commit(context: Context, batch: Sequence[Going]) -> list[Going]:
    """Those of these that were written: together, or one by one where somebody has changed one of them."""
    try:
        context.documents.commit(*_writes(batch))
    except PreconditionFailed:
        return [] if len(batch) == 1 else [done for one in batch for done in _commit(context, [one])]
    return list(batch)


def _batches(going: Sequence[Going]) -> list[list[Going]]:
    batches: list[list[Going]] = []
    size = _BATCH
    for one in going:
        if size + len(one.writes) > _BATCH:
            batches.append([])
            size = 0
        batches[-1].append(one)
        size += len(one.writes)
    return batches


def _writes(batch: Sequence[Going]) -> list[Write]:
    return [write for one in batch for write in one.writes]


def _read(bookmark: str | None) -> After:
    if bookmark is None:
        return None
    moment, identity = bookmark.split(" ", 1)
    return datetime.fromisoformat(moment), identity


def _text(after: After) -> str | None:
    return f"{after[0].isoformat()} {after[1]}" if after else None
