"""Messages that were tried in vain: kept with their error, so that somebody looks into it."""

import logging

from printpipe.domain.dead_letters import COUNT, REPLAY, SOURCE, UNKNOWN, DeadLetter, identity, noticed, told
from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log
from printpipe.domain.messages import Posted
from printpipe.domain.ports.documents import (
    Create,
    DocumentExists,
    DocumentMissing,
    Increment,
    PreconditionFailed,
    Update,
    Write,
)
from printpipe.services.context import Context

_NOT_NOTED = "No error was noted"
_TRIES = 5
_DEATH = ("status", "attempts", "replays", "died_at", "expires_at")


def path(context: Context, dead_letter_id: str) -> str:
    """Where it is stored."""
    return f"{context.collections.dead_letters}/{dead_letter_id}"


def note_failure(context: Context, function: str, posted: Posted, error: Exception) -> None:
    """Remembers why a function did not take a message; where even that fails, it is in the log alone. Never raises."""
    if SOURCE in posted.attributes:  # it is a dead letter itself, which is delivered until it is stored
        return
    try:
        _note(context, noticed(function, posted, told(error), context.request_id, context.now()))
    except Exception as reason:  # the caller raises the error that matters
        log("failure_not_noted", level=logging.WARNING, error=type(reason).__name__)


def store(context: Context, posted: Posted) -> None:
    """Keeps a message that the bus has given up, and alerts once for each of its deaths.

    What is known of its failures stays. A message dies again only after it was delivered again on demand; a late
    delivery of an earlier death says nothing new.
    """
    for _ in range(_TRIES):
        dead, written = _died(context, posted)
        if dead is None or written is None:
            return
        try:
            context.documents.commit(written)
        except PreconditionFailed:  # another delivery of it, or a failure that was noted meanwhile
            continue
        except Unavailable:
            if not _stands(context, dead):
                raise
        log(
            "message_dead_lettered",
            level=logging.ERROR,
            deadLetterId=dead.dead_letter_id,
            consumer=dead.function,
            organizationId=dead.organization_id,
            kind=dead.kind,
            error=dead.error,
            attempts=dead.attempts,
            replays=dead.replays,
        )
        return
    raise Unavailable("The dead letter is being changed by others", retry_after=1)


def _note(context: Context, letter: DeadLetter) -> None:
    where = path(context, letter.dead_letter_id)
    again = Update(where, {**letter.fields(["error", "last_failed_at", "request_id"]), "attempts": Increment(1)})
    try:
        context.documents.commit(again)
    except DocumentMissing:
        try:
            context.documents.commit(Create(where, letter.data()))
        except DocumentExists:
            context.documents.commit(again)


def _died(context: Context, posted: Posted) -> tuple[DeadLetter, Write] | tuple[None, None]:
    """The dead letter, and the write that says so; None where it is known to be dead."""
    function = posted.attributes.get(SOURCE, UNKNOWN)
    replays, attempts = (_number(posted, name) for name in (REPLAY, COUNT))
    document = context.documents.get(path(context, identity(function, posted)))
    if document is None:
        letter = noticed(function, posted, _NOT_NOTED, context.request_id, context.now())
    else:
        letter = DeadLetter.of(document)
        if replays < letter.replays or (letter.status == "dead" and replays == letter.replays):
            return None, None
    dead = letter.model_copy(
        update={
            "status": "dead",
            "attempts": max(letter.attempts, attempts),
            "replays": replays,
            "died_at": context.now(),
            "expires_at": None,
        }
    )
    if document is None:
        return dead, Create(path(context, dead.dead_letter_id), dead.data())
    return dead, Update(document.path, dead.fields(_DEATH), document.version)


def _stands(context: Context, dead: DeadLetter) -> bool:
    """Whether it was written, though the store did not answer."""
    document = context.documents.get(path(context, dead.dead_letter_id))
    return document is not None and DeadLetter.of(document).died_at == dead.died_at


def _number(posted: Posted, name: str) -> int:
    value = posted.attributes.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
