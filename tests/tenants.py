"""An organization that has something in every collection, and objects in the bucket."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from printpipe.domain.file_records import Plate, StoredPrintFile, Upload
from printpipe.domain.job_records import Job, Run, Shop
from printpipe.domain.lifecycles import JobStatus, Priority, UploadStatus
from printpipe.domain.policy import Collections
from printpipe.domain.ports.documents import Create, Document, Documents, Query
from printpipe.domain.ports.files import Files
from printpipe.domain.records import StoredPicture
from printpipe.domain.tenant_records import Organization

NAMES = [field.name for field in fields(Collections)]
HARDLY = frozenset({"bookmarks", "rate_limits"})
"""Collections that hold nothing of one organization."""


def print_file(organization: str, file_id: str, at: datetime, **more: Any) -> StoredPrintFile:
    """A file with a plate that has a picture; its objects are to be put."""
    return StoredPrintFile(
        **{
            "file_id": file_id,
            "organization_id": organization,
            "recipient_id": f"site-{organization}",
            "product_id": "product",
            "file_name": "model.3mf",
            "gcs_bucket": "bucket",
            "gcs_path": f"files/{organization}/{file_id}/print.3mf",
            "content_type": "model/3mf",
            "created_at": at,
            "status": "completed",
            "size": 5,
            "sha256": "0" * 64,
            "md5": "0" * 32,
            "fetch_token": "0" * 64,
            "fetch_token_expiry": at,
            "kind": "3mf",
            "plates": (Plate(index=1, thumbnail_path=f"files/{organization}/{file_id}/plate_1.png"),),
            **more,
        }
    )


def job(organization: str, job_id: str, at: datetime, **more: Any) -> Job:
    """A job that was printed twice, of the file with that number."""
    ran = Run(number=1, status=JobStatus.COMPLETED, ordered_at=at)
    return Job(
        **{
            "job_id": job_id,
            "number": crc32(job_id.encode()),
            "organization_id": organization,
            "recipient_id": f"site-{organization}",
            "file_id": job_id.replace("job", "file"),
            "status": JobStatus.COMPLETED,
            "run": 2,
            "runs": (ran, ran.model_copy(update={"number": 2})),
            "created_at": at,
            "updated_at": at,
            "ended_at": at,
            "priority": Priority.NORMAL,
            "shop": Shop(print_queue_id=7),
            "request_id": "test",
            **more,
        }
    )


def upload(organization: str, file_id: str, at: datetime, **more: Any) -> Upload:
    """An upload that has begun; its object may be put."""
    return Upload(
        **{
            "file_id": file_id,
            "organization_id": organization,
            "recipient_id": f"site-{organization}",
            "product_id": "product",
            "file_name": "model.3mf",
            "gcs_bucket": "bucket",
            "gcs_path": f"files/{organization}/{file_id}/upload.3mf",
            "content_type": "model/3mf",
            "created_at": at,
            "status": UploadStatus.UPLOADING,
            "size": 5,
            "upload_url": "sealed",
            "expires_at": at + timedelta(hours=6),
            **more,
        }
    )


def picture(organization: str, name: str, at: datetime) -> StoredPicture:
    """A picture; its object is to be put."""
    return StoredPicture(
        gcs_path=f"pictures/{organization}/{name}.jpg", sha256="0", size=5, type="snapshot", taken_at=at
    )


def belongings(organization: str, at: datetime, mark: str = "0") -> dict[str, Mapping[str, Any]]:
    """What an organization has, by path: a document of each kind, all from that time; not the organization itself."""
    own: dict[str, Any] = {"organizationId": organization, "createdAt": at, "schemaVersion": 1}
    name = f"{organization}-{mark}"
    job_id, file_id = f"job-{name}", f"file-{name}"
    printed = job(organization, job_id, at)
    return {
        f"files/{file_id}": print_file(organization, file_id, at).data(),
        f"uploads/upload-{name}": upload(organization, f"upload-{name}", at).data(),
        f"print_jobs/{job_id}": printed.data(),
        f"claims/{job_id}_1": {"jobId": job_id, "run": 1},
        f"claims/{job_id}_2": {"jobId": job_id, "run": 2},
        f"job_aliases/number_{printed.number}": {"jobId": job_id, "organizationId": organization},
        f"job_aliases/{organization}_queue_7": {"jobId": job_id, "organizationId": organization},
        f"statistics_entries/{job_id}": {**own, "jobId": job_id},
        f"statistics/{organization}_2026-01-01": own,
        f"printer_commands/command-{name}": {**own, "status": "completed"},
        f"printer_status_updates/update-{name}": {**own, "expiresAt": at + timedelta(days=30)},
        f"printer_events/event-{name}": {**own, "image": picture(organization, f"event-{mark}", at).data()},
        f"printers/printer-{name}": {**own, "picture": picture(organization, f"printer-{mark}", at).data()},
        f"printer_aliases/{organization}_serial_{mark}": {"organizationId": organization, "printerId": name},
        f"printer_secrets/printer-{name}": {**own, "accessCode": "sealed"},
        f"printer_storages/printer-{name}": own,
        f"recipients/site-{name}": {**own, "client": "agent"},
        f"transfers/transfer-{name}": {
            **own,
            "fileId": None,
            "kind": "fetch",
            "status": "failed",
            "active": False,
            "updatedAt": at,
            "objectName": f"files/{organization}/{mark}/transfer.3mf",
        },
        f"api_keys/key-{name}": {**own, "scopes": ["*"]},
        f"memberships/member-{name}": own,
        f"idempotency_keys/receipt-{name}": {**own, "expiresAt": at + timedelta(days=1)},
        f"audit_log/audit-{name}": {**own, "address": "192.0.2.7"},
        f"socket_tickets/ticket-{name}": {**own, "expiresAt": at},
        f"enrollment_codes/code-{name}": {**own, "expiresAt": at},
        f"processed_events/done-{name}": {**own, "processedAt": at, "expiresAt": at + timedelta(days=14)},
        f"dead_letters/letter-{name}": own,
        f"incidents/incident-{name}": {**own, "status": "resolved", "updatedAt": at},
        f"notification_channels/channel-{name}": {**own, "address": "sealed"},
        f"notification_deliveries/delivery-{name}": {**own, "expiresAt": at + timedelta(days=30)},
    }


def furnish(documents: Documents, files: Files, organization: str, at: datetime, mark: str = "0") -> None:
    """Stores all of that, the objects that it names, and the organization where it is not there yet."""
    stored = belongings(organization, at, mark)
    for name in objects(stored.values()):
        files.put(name, io.BytesIO(b"bytes"), "application/octet-stream")
    home = f"organizations/{organization}"
    if documents.get(home) is None:
        made = Organization(organization_id=organization, name=organization, created_at=at)
        documents.commit(Create(home, made.data()))
    documents.commit(*(Create(path, data) for path, data in stored.items()))


def objects(stored: Any) -> Iterator[str]:
    """Every object's name that stands anywhere in what is stored."""
    match stored:
        case str() if stored.startswith(("files/", "pictures/")):
            yield stored
        case Mapping():
            for each in stored.values():
                yield from objects(each)
        case str() | bytes():
            return
        case _ if hasattr(stored, "__iter__"):
            for each in stored:
                yield from objects(each)


def everything(documents: Documents) -> dict[str, Document]:
    """Every document of every collection, by path."""
    return {document.path: document for name in NAMES for document in documents.query(Query(name))}


def concerns(document: Document, organization: str) -> bool:
    """Whether a document is of an organization, or mentions it."""
    return organization in document.path or organization in repr(document.data)
