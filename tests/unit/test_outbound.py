"""Requests to tenants' receivers: what arrives, and every way into a private network that is not one out."""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from printpipe.adapters.outbound import HttpsOutbound
from printpipe.domain.errors import InvalidInput
from printpipe.domain.ports.outbound import NotDelivered
from printpipe.domain.web_addresses import Address, is_public_address
from tests.hostile_urls import HOSTILE_FORMS, HOSTILE_URLS, PRIVATE, PUBLIC
from tests.receiver import HOST, LOOPBACK, Receiver, receiving

ALLOWED = frozenset({"files.example.org", "*.cdn.example.org"})
EVERYBODY = frozenset({"*"})
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("tls")) as receiver:
        yield receiver


@pytest.fixture
def receiver(running: Receiver) -> Receiver:
    running.reset()
    return running


def refusal(outbound: HttpsOutbound, url: str, hosts: frozenset[str]) -> str:
    """The same, whether it is checked or posted to."""
    told = []
    for ask in (lambda: outbound.check(url, hosts), lambda: outbound.post(url, b"{}", JSON, hosts)):
        with pytest.raises(InvalidInput) as caught:
            ask()
        assert caught.value.field == "address"
        told.append(caught.value.message)
    assert told[0] == told[1]
    return told[0]


def failure(outbound: HttpsOutbound, url: str, hosts: frozenset[str]) -> str:
    with pytest.raises(NotDelivered) as caught:
        outbound.post(url, b"{}", JSON, hosts)
    return str(caught.value)


def test_a_body_arrives_at_the_checked_address_under_the_hosts_name(receiver: Receiver) -> None:
    receiver.answer((202, {"Retry-After": "7"}))
    answer = receiver.outbound().post(f"{receiver.url}/in/word?a=1#top", b'{"a":1}', JSON, receiver.hosts)
    assert (answer.status, answer.headers["retry-after"]) == (202, "7")
    [posted] = receiver.posted
    assert (posted.method, posted.host, posted.path) == ("POST", f"{HOST}:{receiver.port}", "/in/word?a=1")
    assert (posted.body, posted.headers["content-type"]) == (b'{"a":1}', "application/json")
    assert posted.headers["user-agent"] == "PrintPipe"
    assert receiver.looked_up == [HOST], "the name is looked up once"


def test_a_check_asks_nobody_but_the_resolver(receiver: Receiver) -> None:
    receiver.outbound().check(f"{receiver.url}/in", receiver.hosts)
    assert (receiver.looked_up, receiver.posted) == ([HOST], [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.answer((status, {"Location": f"{receiver.url}/elsewhere"}))
    assert receiver.outbound().post(f"{receiver.url}/in", b"{}", JSON, receiver.hosts).status == status
    assert [posted.path for posted in receiver.posted] == ["/in"]


@pytest.mark.parametrize("url", [*HOSTILE_FORMS, *HOSTILE_URLS])
def test_a_hostile_url_is_refused_before_anything_is_asked(receiver: Receiver, url: str) -> None:
    refusal(receiver.outbound(), url.replace("{port}", str(receiver.port)), ALLOWED)
    assert (receiver.looked_up, receiver.posted) == ([], [])


@pytest.mark.parametrize("url", [*HOSTILE_FORMS, *HOSTILE_URLS])
def test_where_every_host_is_allowed_no_url_leads_to_this_machine(receiver: Receiver, url: str) -> None:
    """Names that are not this machine's may be looked up; that ends where no address of theirs is public."""
    outbound = receiver.outbound(address_check=is_public_address)
    refusal(outbound, url.replace("{port}", str(receiver.port)), EVERYBODY)
    assert receiver.posted == []


def test_every_host_means_the_usual_port_alone(receiver: Receiver) -> None:
    assert "not one that" in refusal(receiver.outbound(), f"{receiver.url}/in", EVERYBODY)
    receiver.outbound().check(f"https://{HOST}/in", EVERYBODY)


def test_without_an_allow_list_everything_is_refused(receiver: Receiver) -> None:
    assert "not one that" in refusal(receiver.outbound(), f"{receiver.url}/in", frozenset())
    assert receiver.looked_up == []


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_resolves_into_a_private_network_is_refused(receiver: Receiver, address: str) -> None:
    private = ipaddress.ip_address(address)
    public = [ipaddress.ip_address(text) for text in PUBLIC[:2]]
    for mixture in ([private], [*public, private], [private, *public]):
        outbound = receiver.outbound(
            resolver=dict.fromkeys([HOST], mixture).__getitem__, address_check=is_public_address
        )
        assert "not a public one" in refusal(outbound, f"{receiver.url}/in", receiver.hosts)
    assert receiver.posted == []


def test_the_default_check_refuses_this_machine(receiver: Receiver) -> None:
    outbound = HttpsOutbound(ca_file=receiver.ca_file, resolver=receiver.resolve)
    assert "not a public one" in refusal(outbound, f"{receiver.url}/in", receiver.hosts)
    assert receiver.posted == []


def test_a_name_that_changes_its_address_gains_nothing(receiver: Receiver) -> None:
    """The first look-up shows a good address; a second one, had it been made, a bad one."""
    turns: list[Sequence[Address]] = [[LOOPBACK], [ipaddress.ip_address("127.0.0.9")]]
    outbound = receiver.outbound(resolver=lambda _: turns.pop(0))
    assert outbound.post(f"{receiver.url}/in", b"{}", JSON, receiver.hosts).status == 200
    assert len(turns) == 1


def test_a_certificate_must_be_the_names_and_of_a_known_authority(receiver: Receiver) -> None:
    other = f"other.example.org:{receiver.port}"
    assert "certificate" in failure(receiver.outbound(), f"https://{other}/in", frozenset({other}))
    assert "certificate" in failure(receiver.outbound(trusted=False), f"{receiver.url}/in", receiver.hosts)
    assert receiver.posted == []


def test_a_receiver_that_says_nothing_ends_with_the_deadline_and_its_path_is_not_told(receiver: Receiver) -> None:
    receiver.hold()
    begin = time.monotonic()
    told = failure(receiver.outbound(total=0.4), f"{receiver.url}/word", receiver.hosts)
    assert time.monotonic() - begin < 2
    assert told == f"{HOST} did not answer in time."


def test_a_receiver_that_is_not_there(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told = failure(receiver.outbound(), f"https://{HOST}:{port}/word", frozenset({f"{HOST}:{port}"}))
    assert told == f"{HOST} is out of reach."


def test_names_that_are_unknown_or_take_too_long_to_look_up(receiver: Receiver) -> None:
    def unknown(_: str) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    told = refusal(receiver.outbound(resolver=unknown), f"{receiver.url}/in", receiver.hosts)
    inside = receiver.outbound(address_check=is_public_address)
    assert told == refusal(inside, f"{receiver.url}/in", receiver.hosts), "which names our own network has is not told"
    release = threading.Event()

    def stuck(_: str) -> Sequence[Address]:
        release.wait(10)
        return [LOOPBACK]

    outbound = receiver.outbound(resolver=stuck, total=0.2)
    with pytest.raises(InvalidInput, match="in time"):
        outbound.check(f"{receiver.url}/in", receiver.hosts)
    assert "in time" in failure(outbound, f"{receiver.url}/in", receiver.hosts)
    release.set()
