"""A JSON body costs about as much to check as it is long, and what it becomes in memory stays within bounds."""

import json
import time
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from printpipe.dialects import cloud
from printpipe.dialects.exchange import LONGEST_FIELD, LONGEST_MESSAGE, Occasion, Shape, validate_json
from printpipe.domain.errors import InvalidInput
from printpipe.endpoints.cloud import event_error, product_handshake, status_batch
from printpipe.endpoints.cloud_status import NestedStatus

ENOUGH_SECONDS = 2.0
ENOUGH_BYTES = 32 * 1024 * 1024


def compact(value: Any) -> bytes:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":")).encode()


def refusal(raw: bytes, model: type[Shape] = product_handshake.Request) -> InvalidInput:
    """Why a body is refused."""
    with pytest.raises(InvalidInput) as caught:
        validate_json(raw, model)
    return caught.value


@pytest.mark.parametrize("values", [b"[%b]", b'{"a":{"b":[%b]}}'], ids=["beside it", "deep below it"])
def test_a_long_name_before_many_values_is_refused_in_short(values: bytes) -> None:
    many = values % b",".join([b"1"] * 40_000)
    began = time.process_time()
    error = refusal(b'{"recipientId":"x","' + b"k" * 700_000 + b'":' + many + b"}")
    assert time.process_time() - began < ENOUGH_SECONDS
    assert error.field == "k" * (LONGEST_FIELD - 1) + "…"
    assert len(error.message) < LONGEST_FIELD + 100


def test_the_longest_names_before_many_values_cost_no_more_than_their_length() -> None:
    value: Any = [1] * 49_000
    for _ in range(30):
        value = {"k" * 1024: value}
    raw = compact({"recipientId": "x", "n": value})
    began = time.process_time()
    validate_json(raw, product_handshake.Request)
    assert time.process_time() - began < ENOUGH_SECONDS


@pytest.mark.parametrize("value", [b'{"":0}', b"[]", b"0", b'{"a":[{}]}'])
@pytest.mark.parametrize("model", [product_handshake.Request, event_error.Request])
def test_too_many_values_are_refused_before_they_are_made(model: type[Shape], value: bytes) -> None:
    count = (model.MAX_BYTES - 100) // (len(value) + 1)
    raw = b'{"recipientId":"x","a":[' + b",".join([value] * count) + b"]}"
    tracemalloc.start()
    try:
        error = refusal(raw, model)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (error.field, error.message) == ("body", "The body holds too many values")
    assert peak < 1024 * 1024


def test_as_many_values_as_are_allowed_stay_small() -> None:
    raw = b'{"printerSerial":"x","a":[' + b",".join([b'{"":0}'] * 24_000) + b"]}"
    tracemalloc.start()
    try:
        validate_json(raw, event_error.Request)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < ENOUGH_BYTES


def test_the_largest_bodies_of_honest_clients_pass() -> None:
    wide = {f"field{n}": n for n in range(1000)}
    validate_json(compact({"recipientId": "r", "printerSerial": "s", "status": wide}), NestedStatus)
    full = {f"field{n}": n for n in range(490)}
    printers = [{"printerSerial": f"s{n}", "status": full} for n in range(100)]
    validate_json(compact({"recipientId": "r", "printers": printers}), status_batch.Request)


def test_an_error_repeats_a_name_and_a_message_in_short() -> None:
    body = cloud.failure(
        InvalidInput("m" * 100_000, field="f" * 100_000), Occasion("request-1", datetime.now(UTC))
    ).body
    assert isinstance(body, dict)
    assert (len(body["message"]), len(body["detail"])) == (LONGEST_MESSAGE, LONGEST_FIELD)
