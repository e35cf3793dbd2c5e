"""Has stored files read, whether their backend tells of them or not."""

import secrets
from datetime import UTC, datetime

from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.messages import FileEvent
from tests.cloud import Cloud


def read(cloud: Cloud, file_id: str) -> StoredPrintFile:
    """Tells the function that reads files of this one; the file as it is stored then."""
    before = StoredPrintFile.of(cloud.document(f"files/{file_id}"))
    told = FileEvent(
        event_id=secrets.token_hex(8),
        kind="file_created",
        organization_id=before.organization_id,
        recipient_id=before.recipient_id,
        occurred_at=datetime.now(UTC),
        request_id="told",
        file_id=file_id,
        file_name=before.file_name,
        file_kind=before.kind,
        size=before.size,
    )
    cloud.deliver("trigger-file-read", told)
    return StoredPrintFile.of(cloud.document(f"files/{file_id}"))
