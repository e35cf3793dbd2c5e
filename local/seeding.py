"""What a new stack needs before its first call: bucket, topic, subscriptions, the organization and its sites."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import urllib3

from local.children import StackError
from local.identity import Client, Identity
from printpipe.domain.ports.documents import Documents, Put, Write

TOPIC = "printer-commands"
LANES = ("normal", "priority")
ACK_DEADLINE = 10
"""Seconds until an unacknowledged message comes again: the least that Pub/Sub allows."""


def subscription(recipient_id: str, lane: str) -> str:
    """The name of a recipient's subscription."""
    return f"{TOPIC}-{recipient_id}-{lane}"


def seed_documents(documents: Documents, identity: Identity) -> None:
    """Writes the organization, its two sites and their keys; harmless when they are there."""
    now = datetime.now(UTC)
    organization = identity.organization_id
    writes: list[Write] = [
        Put(
            f"organizations/{organization}",
            {"organizationId": organization, "name": "Local workshop", "createdAt": now},
        )
    ]
    for kind, client in (("agent", identity.agent), ("lan_client", identity.lan_client)):
        writes += _site(organization, kind, client, now)
    documents.commit(*writes)


def _site(organization: str, kind: str, client: Client, now: datetime) -> list[Write]:
    digest = hashlib.sha256(client.api_key.encode()).hexdigest()
    recipient = {
        "recipientId": client.recipient_id,
        "organizationId": organization,
        "name": f"Site of the {kind.replace('_', ' ')}",
        "client": kind,
        "createdAt": now,
    }
    key = {
        "organizationId": organization,
        "recipientIds": [client.recipient_id],
        "scopes": ["*"],
        "name": f"local {kind}",
        "createdAt": now,
        "revokedAt": None,
    }
    return [Put(f"recipients/{client.recipient_id}", recipient), Put(f"api_keys/{digest}", key)]


def create_bucket(storage: str, project: str, bucket: str) -> None:
    """Creates the bucket at the Cloud Storage emulator `host:port` unless it is there. Raises StackError."""
    _call("POST", f"http://{storage}/storage/v1/b?project={project}", {"name": bucket})


def create_subscriptions(pubsub: str, project: str, recipient_id: str) -> None:
    """Creates the topic and the recipient's two subscriptions at the emulator, if not there. Raises StackError."""
    base = f"http://{pubsub}/v1/projects/{project}"
    topic = f"projects/{project}/topics/{TOPIC}"
    _call("PUT", f"{base}/topics/{TOPIC}", {})
    for lane in LANES:
        body = {
            "topic": topic,
            "filter": f'attributes.recipient = "{recipient_id}" AND attributes.lane = "{lane}"',
            "ackDeadlineSeconds": ACK_DEADLINE,
            "retryPolicy": {"minimumBackoff": "0s", "maximumBackoff": "10s"},
        }
        _call("PUT", f"{base}/subscriptions/{subscription(recipient_id, lane)}", body)


def _call(method: str, url: str, body: Mapping[str, Any]) -> None:
    answer = urllib3.request(method, url, json=body, timeout=10, retries=False)
    if answer.status not in (200, 409):
        raise StackError(f"{method} {url} answered {answer.status}: {answer.data[:300]!r}")
