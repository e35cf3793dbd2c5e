"""What a new stack needs before it is used: bucket, topics, subscriptions, the organization and its sites.

The topics have no schemas here: Pub/Sub's emulator answers 501 to one of protobuf (0.8.20).
"""

from collections.abc import Mapping
from typing import Any

import urllib3

from local.children import StackError
from local.identity import Client, Identity
from printpipe.domain.messages import TOPICS
from tools.bootstrap import Refused, Site, Wishes, bootstrap

TOPIC = "printer-commands"
LANES = ("normal", "priority")
ACK_DEADLINE = 10
"""Seconds until an unacknowledged message comes again: the least that Pub/Sub allows."""


def subscription(recipient_id: str, lane: str) -> str:
    """The name of a recipient's subscription."""
    return f"{TOPIC}-{recipient_id}-{lane}"


def seed_tenant(url: str, identity: Identity) -> Identity:
    """Makes the organization and its two sites through the functions at `url`, unless they are there.

    Gives the identity with its clients' keys. Raises StackError.
    """
    sites = {
        "agent": Site("Site of the agent", "agent", identity.agent.recipient_id),
        "lan_client": Site("Site of the LAN client", "lan_client", identity.lan_client.recipient_id),
    }
    wishes = Wishes("Local workshop", identity.organization_id, list(sites.values()))
    try:
        made = bootstrap(url, identity.operator_key, wishes)
    except Refused as reason:
        raise StackError(f"the organization could not be made: {reason}") from None
    return identity.model_copy(
        update={
            "agent": _with_key(identity.agent, made.recipients[sites["agent"].name]["key"]),
            "lan_client": _with_key(identity.lan_client, made.recipients[sites["lan_client"].name]["key"]),
        }
    )


def _with_key(client: Client, key: str | None) -> Client:
    """The client with its new key, or with the one that it had; after a day the functions show that no more."""
    if not key and not client.api_key:
        raise StackError(f"the key of {client.recipient_id} is lost; start without KEEP")
    return client.model_copy(update={"api_key": key or client.api_key})


def create_bucket(storage: str, project: str, bucket: str) -> None:
    """Creates the bucket at the Cloud Storage emulator `host:port` unless it is there. Raises StackError."""
    _call("POST", f"http://{storage}/storage/v1/b?project={project}", {"name": bucket})


def create_subscriptions(pubsub: str, project: str, recipient_id: str) -> None:
    """Creates all topics and the recipient's two subscriptions at the emulator, if not there. Raises StackError."""
    base = f"http://{pubsub}/v1/projects/{project}"
    topic = f"projects/{project}/topics/{TOPIC}"
    for each in TOPICS:
        _call("PUT", f"{base}/topics/{each}", {})
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
