"""Channels as their owners try them."""

from printpipe.domain.errors import RateLimited
from printpipe.domain.ids import new_id
from printpipe.domain.notifications import Notice, NotificationChannel
from printpipe.services.access.rate_limits import Slots
from printpipe.services.context import Context
from printpipe.services.notifications import attempts
from printpipe.services.notifications.attempts import Outcome

MOST_TESTS = 10
"""That an organization may have sent in five minutes, over all of its channels."""


def send_test(context: Context, channel: NotificationChannel) -> Outcome:
    """Sends something over the channel now, active or not, and tells what came of it; the channel stays as it is.

    Raises `RateLimited` where the organization has tried its channels too often: not every address is its own.
    """
    _count_test(context, channel.organization_id)
    notice = Notice(
        event_type="test",
        event_id=f"test:{new_id()}",
        organization_id=channel.organization_id,
        occurred_at=context.now(),
        title="Test",
        text=f"This is a test of the notification channel {channel.name}.",
    )
    return attempts.put(context, channel.kind, attempts.posting(context, channel, notice, notice.event_id))


def _count_test(context: Context, organization_id: str) -> None:
    slots = Slots(context.documents, context.collections, context.clock)
    try:
        slots.take(f"organization {organization_id}", "tests", MOST_TESTS, new_id())  # they are free in five minutes
    except RateLimited:
        raise RateLimited(f"At most {MOST_TESTS} tests of channels in five minutes", retry_after=60) from None
