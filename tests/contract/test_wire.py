"""Every function's wire example, through the gateway, on each backend."""

import json
import secrets
import time

import pytest

from printpipe.domain.messages import DEAD_LETTERS, MODELS
from printpipe.domain.ports.bus import Received
from printpipe.runtime.catalog import rows
from tests.cloud import TOPIC, Cloud, Site
from tests.contract.wire_client import send, variables_of
from tests.contract.wire_examples import differences, examples, fill, saved

FACES = sorted(face.name for row in rows().values() if row.http for face in row.faces)
"""A row that two dialects share has an example of each."""

FOLLOWERS = sorted(
    row.name for row in rows().values() if row.trigger and row.trigger.topic and row.trigger.topic != DEAD_LETTERS
)


@pytest.mark.parametrize("name", FACES)
def test_answers_as_its_example_says(cloud: Cloud, site: Site, name: str) -> None:
    variables = variables_of(cloud, site)
    for step in examples(name):
        response = fill(step["response"], variables)
        answer = send(cloud, step, variables)
        where = f"{name}: {step['title']}"
        assert answer.status_code == response["status"], f"{where}: {answer.text}"
        assert "X-Request-Id" in answer.headers or step["request"]["path"].startswith("/trigger-"), where
        if "json" in response:
            assert differences(response["json"], answer.json()) == [], where
        variables |= saved(step, answer.json()) if "save" in step else {}


@pytest.mark.parametrize("name", FOLLOWERS)
def test_takes_a_message_as_its_example_shows_it(cloud: Cloud, site: Site, name: str) -> None:
    variables = {**variables_of(cloud, site), "event": secrets.token_hex(8)}
    row = next(row for row in rows().values() if row.name == name)
    assert row.trigger is not None
    for step in examples(name):
        told = {
            "eventId": "{{event}}",
            "organizationId": "{{organization}}",
            "occurredAt": "2025-10-31T10:00:00.5Z",
            "requestId": "a-request-id",
            **step["message"],
        }
        cloud.deliver(name, MODELS[str(row.trigger.topic)].model_validate(fill(told, variables)))


@pytest.mark.parametrize("cloud", [pytest.param("google", marks=pytest.mark.emulators)], indirect=True)
def test_the_trigger_publishes_a_new_command(cloud: Cloud, site: Site) -> None:
    (example,) = examples("trigger-command-created")
    command, subscription = secrets.token_hex(8), f"watch-{secrets.token_hex(4)}"
    cloud.backend.create_subscription(subscription, TOPIC)
    variables = {"organization": site.organization, "agent_recipient": site.agent_recipient, "command": command}
    event, message = fill(example["event"], variables), fill(example["message"], variables)
    headers = {
        "ce-id": secrets.token_hex(8),
        "ce-source": "//firestore.googleapis.com/projects/demo/databases/(default)",
        "ce-type": event["type"],
        "ce-subject": f"documents/{event['document']}",
        "ce-specversion": "1.0",
        "ce-time": "2025-10-31T10:00:01Z",
    }
    value = {"name": f"projects/demo/databases/(default)/documents/{event['document']}", "fields": event["fields"]}
    answer = cloud.call("POST", "/trigger-command-created", headers=headers, json={"value": value})
    assert answer.status_code == 200, answer.text
    received = _receive(cloud, subscription, command)
    assert dict(received.attributes) == message["attributes"]
    assert differences(message["json"], json.loads(received.data)) == []


def _receive(cloud: Cloud, subscription: str, command: str) -> Received:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for each in cloud.backend.bus.pull(subscription, 10, 1.0):
            if each.attributes["commandId"] == command:
                return each
    raise AssertionError("the message did not come")
