"""What is asked of the document store about notifications."""

from datetime import datetime

from printpipe.domain.notifications import OPEN_DELIVERIES, DeliveryStatus
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Query, Where


def channels_of_organization(collections: Collections, organization_id: str, limit: int) -> Query:
    """An organization's channels, the newest first."""
    return Query(
        collections.notification_channels,
        [Where("organizationId", "==", organization_id)],
        [("createdAt", "desc")],
        limit,
    )


def active_channels(collections: Collections, organization_id: str, limit: int) -> Query:
    """Those of an organization's channels over which something is sent."""
    return Query(
        collections.notification_channels,
        [Where("organizationId", "==", organization_id), Where("active", "==", True)],
        limit=limit,
    )


def deliveries_for_picture(
    collections: Collections, organization_id: str, subject: str, event_type: str, limit: int
) -> Query:
    """What is to be sent as soon as its picture is there."""
    return Query(
        collections.notification_deliveries,
        [
            Where("organizationId", "==", organization_id),
            Where("subject", "==", subject),
            Where("eventType", "==", event_type),
            Where("status", "==", DeliveryStatus.PLANNED.value),
            Where("awaitsPicture", "==", True),
        ],
        limit=limit,
    )


def due_deliveries(collections: Collections, since: datetime, until: datetime, limit: int) -> Query:
    """What is to be attempted between these moments (after the first, at the last too), the longest overdue first."""
    return Query(
        collections.notification_deliveries,
        [
            Where("status", "in", [status.value for status in OPEN_DELIVERIES]),
            Where("nextAttemptAt", ">", since),
            Where("nextAttemptAt", "<=", until),
        ],
        [("nextAttemptAt", "asc")],
        limit,
    )


def newest_events_of_job(collections: Collections, recipient_id: str, job_id: str, limit: int) -> Query:
    """What a site's printers told of a job, the newest first."""
    return Query(
        collections.printer_events,
        [Where("recipientId", "==", recipient_id), Where("printJobId", "==", job_id)],
        [("createdAt", "desc")],
        limit,
    )
