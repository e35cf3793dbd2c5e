"""What each kind of channel is sent, as it comes to a receiver; whatever a job is called."""

import json
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from printpipe.domain.errors import InvalidInput
from printpipe.domain.notifications import ChannelKind
from printpipe.services.notifications import attempts
from printpipe.services.notifications.channels import Wish
from tests.farm import embedded_farm
from tests.receiver import Posted, Receiver, receiving
from tests.sent import Sent

JPEG = b"\xff\xd8\xff\xe0\r\n--boundary\r\n\x00 picture \xff\xd9"
HOSTILE = "@everyone <!channel> <@1> **b** [a](https://evil.example) `c` > q\r\nX-Evil: 1\x00 Schlüssel & 🔑"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("tls")) as receiver:
        yield receiver


@pytest.fixture
def sent(running: Receiver, tmp_path: Path) -> Sent:
    running.reset()
    return Sent(embedded_farm(tmp_path), tmp_path, running)


def told(sent: Sent, kind: ChannelKind, wish: Wish | None = None, **fields: Any) -> Posted:
    """What a channel of the kind is sent."""
    sent.set_up(kind, wish or Wish({"name": "hall"}))
    sent.tell(**fields)
    sent.run()
    assert [delivery.status for delivery in sent.deliveries()] == ["sent"]
    [posted] = sent.receiver.posted
    return posted


def parts(posted: Posted) -> dict[str, Message]:
    """Those of a multipart body, by their names."""
    kind = f"Content-Type: {posted.headers['content-type']}\r\n\r\n"
    whole = message_from_bytes(kind.encode() + posted.body)
    assert whole.is_multipart()
    return {str(part.get_param("name", header="content-disposition")): part for part in whole.walk() if part != whole}


# Pictures


def test_a_webhook_gets_a_link_to_the_picture_that_holds_for_an_hour(sent: Sent) -> None:
    name = sent.picture(JPEG)
    url = json.loads(told(sent, "webhook", image_path=name).body)["data"]["image_url"]
    assert name in url
    assert "signature=" in url
    assert attempts.LINK_LIFETIME.total_seconds() == 3600


def test_slack_gets_a_block_with_the_link(sent: Sent) -> None:
    content = json.loads(told(sent, "slack", image_path=sent.picture(JPEG)).body)
    section, image = content["blocks"]
    assert section["text"]["text"] == content["text"] == "lid.3mf is printed\nP1S has printed lid.3mf."
    assert image["type"] == "image"
    assert "signature=" in image["image_url"]


def test_ntfy_gets_the_picture_itself_and_the_rest_in_headers(sent: Sent) -> None:
    posted = told(sent, "ntfy", image_path=sent.picture(JPEG), severity="critical")
    assert (posted.path, posted.body) == ("/farm-of-mine", JPEG)
    names = ("title", "message", "priority", "tags", "filename", "content-type")
    assert [posted.headers[name] for name in names] == [
        "lid.3mf is printed", "P1S has printed lid.3mf.", "5", "rotating_light", "picture.jpg", "image/jpeg",
    ]  # fmt: skip
    assert "authorization" not in posted.headers


def test_discord_gets_it_as_an_attachment(sent: Sent) -> None:
    posted = told(sent, "discord", image_path=sent.picture(JPEG))
    found = parts(posted)
    assert found["files[0]"].get_payload(decode=True) == JPEG
    assert (found["files[0]"].get_filename(), found["files[0]"].get_content_type()) == ("picture.jpg", "image/jpeg")
    content = json.loads(str(found["payload_json"].get_payload()))
    assert content["embeds"][0]["image"] == {"url": "attachment://picture.jpg"}


def test_a_letter_has_it_attached(sent: Sent) -> None:
    sent.channel("email")
    notice = sent.tell(image_path=sent.picture(JPEG))
    sent.run(times=2)
    [letter] = sent.letters.letters
    assert (letter.to, letter.subject, letter.image) == ("anna@example.org", "lid.3mf is printed", JPEG)
    assert letter.text == ("P1S has printed lid.3mf.\n\nPrinter: P1S\nJob: lid.3mf\nTime: 2026-01-01T00:00:00.000Z\n")
    [delivery] = sent.deliveries()
    assert letter.message_id == delivery.delivery_id
    assert (delivery.event_id, delivery.status) == (notice.event_id, "sent")


def test_a_letter_that_is_not_taken_is_sent_again(sent: Sent) -> None:
    sent.channel("email")
    sent.letters.shut = True
    sent.tell()
    sent.run()
    [delivery] = sent.deliveries()
    assert (delivery.status, delivery.last_error) == (
        "waiting",
        "The mail server is out of reach, or does not answer properly.",
    )
    sent.letters.shut = False
    sent.minute(seconds=30)
    assert len(sent.letters.letters) == 1


def test_a_channel_may_go_without(sent: Sent) -> None:
    posted = told(sent, "webhook", Wish({"name": "hall", "picture": False}), image_path=sent.picture(JPEG))
    assert json.loads(posted.body)["data"]["image_url"] is None


@pytest.mark.parametrize("kind", ["ntfy", "discord"])
def test_a_picture_that_is_missing_or_too_large_is_left_out(sent: Sent, kind: ChannelKind) -> None:
    sent.channel(kind)
    sent.tell(image_path=sent.picture(b"\xff" * (attempts.IMAGE_LIMIT + 1)))
    sent.tell(image_path="pictures/gone.jpg")
    sent.run()
    assert [posted.headers["content-type"] for posted in sent.receiver.posted] == ["application/json"] * 2


@pytest.mark.parametrize("kind", ["ntfy", "discord", "slack"])
@pytest.mark.parametrize("status", [400, 413])
def test_what_is_not_taken_with_a_picture_is_sent_without(sent: Sent, kind: ChannelKind, status: int) -> None:
    sent.channel(kind)
    sent.receiver.answer(status)
    sent.tell(image_path=sent.picture(JPEG))
    sent.run()
    with_picture, without = sent.receiver.posted
    assert JPEG not in without.body
    assert b"signature=" not in without.body
    assert JPEG in with_picture.body or b"signature=" in with_picture.body
    assert [delivery.status for delivery in sent.deliveries()] == ["sent"]


# Words


def test_ntfy_without_a_picture_is_json_at_the_servers_root(sent: Sent) -> None:
    wish = Wish({"name": "hall"}, token="tk_secret")
    posted = told(sent, "ntfy", wish, title=HOSTILE, text="Line one\nline two", severity="error")
    assert posted.path == "/"
    assert posted.headers["authorization"] == "Bearer tk_secret"
    content = json.loads(posted.body)
    assert content.pop("title").startswith("@everyone <!channel>")
    assert content == {"topic": "farm-of-mine", "message": "Line one\nline two", "priority": 4, "tags": ["x"]}


def test_no_name_adds_a_header_at_ntfy(sent: Sent) -> None:
    posted = told(sent, "ntfy", title=HOSTILE, text=HOSTILE * 9, image_path=sent.picture(JPEG))
    assert "x-evil" not in posted.headers
    title = str(make_header(decode_header(posted.headers["title"])))
    assert title == " ".join(HOSTILE.replace("\x00", " ").split())
    assert "Schlüssel & 🔑" in str(make_header(decode_header(posted.headers["message"])))


def test_what_looks_like_an_encoded_word_stays_what_it_is_at_ntfy(sent: Sent) -> None:
    posted = told(sent, "ntfy", title="=?utf-8?b?RXZpbA==?=", image_path=sent.picture(JPEG))
    assert str(make_header(decode_header(posted.headers["title"]))) == "=?utf-8?b?RXZpbA==?="


def test_nobody_is_mentioned_and_nothing_formatted_at_discord(sent: Sent) -> None:
    content = json.loads(told(sent, "discord", title=HOSTILE, text=HOSTILE * 100, severity="warning").body)
    assert content["allowed_mentions"] == {"parse": []}
    assert "content" not in content
    [embed] = content["embeds"]
    assert len(embed["title"]) <= 256
    assert len(embed["description"]) <= 4096
    for text in (embed["title"], embed["description"]):
        assert not re.search(r"(?<!\\)(?:\\\\)*[*_~`|>#\[\]()<@]", text)
    assert embed["title"].startswith(r"\@everyone \<!channel\> \<\@1\> \*\*b\*\* \[a\]\(https\://evil.example\)")
    assert embed["timestamp"] == "2026-01-01T00:00:00.000Z"


def test_nobody_is_mentioned_at_slack(sent: Sent) -> None:
    content = json.loads(told(sent, "slack", title=HOSTILE, text=HOSTILE * 100).body)
    [section] = content["blocks"]
    for text in (content["text"], section["text"]["text"]):
        assert "<" not in text
        assert ">" not in text
        assert "&lt;!channel&gt;" in text
        assert "Schlüssel &amp; 🔑" in text
        assert len(text) <= 3_000
    assert section["text"]["verbatim"] is True
    assert (content["unfurl_links"], content["unfurl_media"]) == (False, False)


def test_a_subject_is_one_line(sent: Sent) -> None:
    sent.channel("email")
    sent.tell(title=HOSTILE, job_name=HOSTILE, printer_name="P1S\r\nTime: never")
    sent.run()
    [letter] = sent.letters.letters
    assert letter.subject == " ".join(HOSTILE.replace("\x00", " ").split())
    assert "\nPrinter: P1S Time: never\n" in letter.text


def test_webhooks_get_it_as_it_is(sent: Sent) -> None:
    posted = told(sent, "webhook", title=HOSTILE, details={"reason": "x"})
    assert json.loads(posted.body)["data"]["title"] == HOSTILE
    assert json.loads(posted.body)["data"]["details"] == {"reason": "x"}


# Addresses


@pytest.fixture(scope="module")
def settled(running: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    folder = tmp_path_factory.mktemp("settled")
    return Sent(embedded_farm(folder), folder, running)


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("webhook", "https://hooks.example.org/a?b=c"),
        ("ntfy", "https://ntfy.sh/my_topic-1"),
        ("ntfy", "https://hooks.example.org/topic"),
        ("discord", "https://discord.com/api/webhooks/123/abc-DEF_1"),
        ("discord", "https://discordapp.com/api/v10/webhooks/123/abc?thread_id=4"),
        ("slack", "https://hooks.slack.com/services/T0/B0/xyz"),
        ("slack", "https://hooks.slack.com/workflows/T0/A0/1/x"),
        ("email", "anna@example.org"),
    ],
)
def test_an_address_that_does_for_its_kind(settled: Sent, kind: ChannelKind, address: str) -> None:
    settled.set_up(kind, Wish({"name": "hall"}, address=address))


@pytest.mark.parametrize(
    ("kind", "address", "message"),
    [
        ("webhook", "http://hooks.example.org/a", "https"),
        ("webhook", "https://other.example.org/a", "not one that"),
        ("webhook", "https://discord.com/api/webhooks/1/a", "not one that"),
        ("webhook", "anna@example.org", "https"),
        ("ntfy", "https://ntfy.sh/", "server and topic"),
        ("ntfy", "https://ntfy.sh/a/b", "server and topic"),
        ("ntfy", "https://ntfy.sh/a?x=1", "server and topic"),
        ("ntfy", "https://other.example.org/topic", "not one that"),
        ("discord", "https://hooks.example.org/api/webhooks/1/a", "Discord"),
        ("discord", "https://discord.com/api/users/1", "Discord"),
        ("discord", "https://discord.com:8443/api/webhooks/1/a", "Discord"),
        ("discord", "https://discord.com.evil.example/api/webhooks/1/a", "Discord"),
        ("discord", "https://discord.com/api/webhooks/1/a/../../users", "Discord"),
        ("slack", "https://hooks.slack.com/", "Slack"),
        ("slack", "https://hooks.slack.com@evil.example/services/a", "Slack"),
        ("email", "anna", "e-mail"),
        ("email", "anna@example.org\r\nBcc: all@example.org", "e-mail"),
        ("email", "https://hooks.example.org/a", "e-mail"),
    ],
)
def test_an_address_that_does_not(settled: Sent, kind: ChannelKind, address: str, message: str) -> None:
    settled.receiver.reset()
    with pytest.raises(InvalidInput, match=message) as refusal:
        settled.set_up(kind, Wish({"name": "hall"}, address=address))
    assert refusal.value.field == "address"
    assert settled.receiver.posted == []


def test_a_deployment_without_hosts_or_mail_says_so(sent: Sent) -> None:
    sent.hosts, sent.sends_mail = frozenset(), False
    for kind, setting in (("webhook", "WEBHOOK_ALLOWED_HOSTS"), ("email", "SMTP_HOST")):
        address = "https://hooks.example.org/a" if kind == "webhook" else "anna@example.org"
        with pytest.raises(InvalidInput, match=setting) as refusal:
            sent.set_up(kind, Wish({"name": "hall"}, address=address))  # type: ignore[arg-type]
        assert refusal.value.field == "address"
    sent.set_up("ntfy", Wish({"name": "hall"}, address="https://ntfy.sh/topic"))
