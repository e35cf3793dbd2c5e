"""Commands of which nobody is heard: what no client took ends, what an executor left is unknown, what was lost is sent.

Every question finds only what is to be done, and every write asks that the command be as it was found: swept twice, or
by two at once, nothing happens twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from printpipe.domain.errors import Unavailable
from printpipe.domain.log import log, log_failure
from printpipe.domain.ports.documents import Document, Query
from printpipe.domain.records import Command
from printpipe.domain.reminders import windows
from printpipe.services.commands import execution, messages
from printpipe.services.context import Context
from printpipe.services.store import sweep_queries
from printpipe.services.store.abreast import each

GRACE = timedelta(minutes=5)
"""How much later a polling client may still tell that it took a command."""

PATIENCE = timedelta(minutes=10)
SLOW_PATIENCE = timedelta(hours=1)
"""How long after its lease an executor may come back: our agent, which renews it; a polling client, which may not."""

AGES = (1, 2, 4, 8, 16)
"""At which ages, in minutes, a command that nobody has taken is published again."""

MOST = 2000
"""Commands that one run ends, and leaves to people."""

MOST_PUBLISHED = 500
LONGEST = timedelta(seconds=40)
"""Of a run; the next one begins after a minute."""

_PAGE = 200


@dataclass(frozen=True)
class Swept:
    """What a run did, in numbers of commands."""

    expired: int
    given_up: int
    published: int


def sweep(context: Context) -> Swept:
    """Looks after the commands. What cannot be done keeps nothing else back; what is left over, the next run does."""
    run = _Run(context)
    collections, now = context.collections, context.now()
    for via_bus, before in ((True, now), (False, now - GRACE)):
        overdue = sweep_queries.overdue_commands(collections, before, via_bus, _PAGE)
        run.expired += run.through(overdue, execution.expire)
    for via_bus, before in ((True, now - PATIENCE), (False, now - SLOW_PATIENCE)):
        forsaken = sweep_queries.forsaken_commands(collections, before, via_bus, _PAGE)
        run.given_up += run.through(forsaken, execution.give_up)
    swept = Swept(run.expired, run.given_up, _publish_again(context, run.until))
    if swept != Swept(0, 0, 0):
        log("commands_swept", expired=swept.expired, givenUp=swept.given_up, published=swept.published)
    return swept


class _Run:
    """One run, as far as it has come."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.until = context.now() + LONGEST
        self.expired = self.given_up = 0

    def through(self, query: Query, end: Callable[[Context, Document], bool]) -> int:
        """Ends what the query finds, page by page; how many. What cannot be ended is passed over until the next run."""
        ended, (field, _) = 0, query.order[0]
        while self.expired + self.given_up + ended < MOST and self._context.now() < self.until:
            page = self._context.documents.query(query)
            ended += sum(each(lambda document: self._undisturbed(end, document), page))
            if len(page) < _PAGE:
                break
            query = replace(query, after=[page[-1].value(field), page[-1].id])
        return ended

    def _undisturbed(self, end: Callable[[Context, Document], bool], document: Document) -> bool:
        try:
            return end(self._context, document)
        except Exception:
            log_failure("command_sweep_failed", commandId=document.id)
            return False


def _publish_again(context: Context, until: datetime) -> int:
    """Sends the commands once more that have come to one of the `AGES` since the last full minute; how many.

    Their age alone decides, so that nothing need be noted. An agent knows a command that it has seen.
    """
    now, published = context.now(), 0
    for since, until_then in windows(now, AGES):
        room = MOST_PUBLISHED - published
        if room <= 0 or context.now() >= until:
            break
        query = sweep_queries.commands_unheard(context.collections, since, until_then, room)
        waiting = [Command.of(document) for document in context.documents.query(query)]
        alive = [command for command in waiting if command.expires_at > now]
        try:
            each(lambda command: messages.publish_command(context.platform.bus, command), alive)
        except Unavailable:
            log_failure("commands_not_published_again")
            break
        published += len(alive)
    return published
