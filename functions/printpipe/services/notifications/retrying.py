"""Deliveries that wait for another attempt, for a picture or for the end of quiet hours, and those that got lost."""

from printpipe.domain.log import log
from printpipe.domain.notifications import Delivery
from printpipe.domain.reminders import MINUTE, minute_of, windows
from printpipe.services import announcements
from printpipe.services.context import Context
from printpipe.services.notifications import planning
from printpipe.services.store import notification_queries

MOST = 500
"""Deliveries that one run announces."""

AGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Minutes after which one that is overdue is announced again; one that nobody can send is not for ever."""


def announce_due(context: Context) -> int:
    """Announces what is due, and gives how many they were. Announced twice, an attempt is still made once.

    What has become due goes first, so that nothing that cannot be sent keeps it back. A delivery that is being sent is
    due when its lease has lapsed: its sender died. Raises `Unavailable`.
    """
    now, announced = context.now(), 0
    for since, until in ((minute_of(now) - MINUTE, now), *windows(now, AGES)):
        query = notification_queries.due_deliveries(context.collections, since, until, MOST - announced)
        for document in context.documents.query(query):
            announcements.announce(context, planning.due(Delivery.of(document)))
            announced += 1
        if announced >= MOST:
            break
    if announced:
        log("notifications_due", count=announced)
    return announced
