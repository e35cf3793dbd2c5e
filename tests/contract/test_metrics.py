"""The metrics as a scraper gets them."""

import secrets
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from printpipe.domain.ports.documents import Create
from printpipe.domain.processing import ProcessedEvent
from tests.cloud import Cloud, Site

ONE_BACKEND_AT_REDUCED_COUNTS = True


def scraped(cloud: Cloud, key: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels."""
    answer = cloud.call("GET", "/api/v1/metrics", key=key)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [each for family in text_string_to_metric_families(answer.text) for each in family.samples]
    return {(each.name, frozenset(each.labels.items())): each.value for each in samples}


def test_the_numbers_are_in_prometheus_format(cloud: Cloud, site: Site) -> None:
    cloud.queue(site.agent_recipient, "light_on", printerSerial="01P00A381200434")
    claim = {"recipientId": site.agent_recipient, "claim": "true", "wait": 0, "agentId": "agent-1"}
    cloud.queue(site.lan_recipient, "pause", printerSerial="01P00A381200434")
    (taken,) = cloud.call("GET", "/control", key=site.agent_key, params=claim).json()["commands"]
    result = {"commandId": taken["commandId"], "recipientId": site.agent_recipient, "status": "completed"}
    result |= {"agentId": "agent-1", "fence": taken["fence"]}
    assert cloud.call("POST", "/control/result", key=site.agent_key, json=result).status_code == 200
    now = datetime.now(UTC)
    note = ProcessedEvent(
        consumer="trigger-job-counted",
        event_id=secrets.token_hex(8),
        organization_id=site.organization,
        published_at=now - timedelta(seconds=2.5),
        processed_at=now,
        expires_at=now + timedelta(days=1),
    )
    cloud.backend.documents.commit(Create(f"processed_events/{note.event_id}", note.data()))

    found = scraped(cloud, site.organization_key)
    assert found["printpipe_commands_pending", frozenset()] == 1
    assert 0 <= found["printpipe_commands_oldest_age_seconds", frozenset()] < 60
    for stage in ("claimed", "completed"):
        assert found["printpipe_command_latency_samples", frozenset({("stage", stage)})] == 1
        labels = frozenset({("stage", stage), ("quantile", "0.9")})
        assert 0 <= found["printpipe_command_latency_seconds", labels] < 60
    assert found["printpipe_dispatch_wait_samples", frozenset({("by", "queue")})] == 0
    assert found["printpipe_consumer_lag_seconds", frozenset({("consumer", "trigger-job-counted")})] == 2.5
    assert found["printpipe_jobs", frozenset({("status", "held")})] == 0
    assert found["printpipe_dead_letters", frozenset()] == 0

    assert scraped(cloud, cloud.new_site().organization_key)["printpipe_commands_pending", frozenset()] == 0
    assert scraped(cloud, cloud.operator_key)["printpipe_commands_pending", frozenset()] >= 1
