"""What a deployment says of notifications, and what stops it at once."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from printpipe.runtime.ports import MissingSetting, platform
from printpipe.runtime.settings import Settings, parse

MAIL = {"SMTP_HOST": "mail.example.org", "SMTP_FROM": "printers@example.org"}


def read(**more: str) -> Settings:
    return parse({"GCP_PROJECT_ID": "demo", "FETCH_TOKEN_SECRET": "s" * 32, **more})


def test_by_default_nothing_goes_out() -> None:
    policy = read().policy()
    assert (policy.webhook_hosts, policy.mail) == (frozenset(), False)
    with pytest.raises(MissingSetting, match="SMTP_HOST"):
        assert platform(read()).mail


def test_hosts_are_names_or_every_one() -> None:
    hosts = read(WEBHOOK_ALLOWED_HOSTS="hooks.example.org, *.example.com:8443").policy().webhook_hosts
    assert hosts == {"hooks.example.org", "*.example.com:8443"}
    assert read(WEBHOOK_ALLOWED_HOSTS="*").policy().webhook_hosts == {"*"}


@pytest.mark.parametrize("wrong", ["localhost", "127.0.0.1", "https://a.example.org", "*.", "a.example.org/x", "*:80"])
def test_what_is_no_host_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="WEBHOOK_ALLOWED_HOSTS"):
        read(WEBHOOK_ALLOWED_HOSTS=wrong)


def test_a_mail_server_is_encrypted_unless_it_is_on_this_machine() -> None:
    server = read(**MAIL).mail_server()
    assert server is not None
    assert (server.host, server.port, server.security, server.login) == ("mail.example.org", 587, "starttls", None)
    assert read(**MAIL).policy().mail
    local = read(**{**MAIL, "SMTP_HOST": "localhost", "SMTP_PORT": "1025", "SMTP_SECURITY": "none"}).mail_server()
    assert local is not None
    assert (local.port, local.security) == (1025, "none")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"SMTP_SECURITY": "none"}, "on this machine"),
        (
            {"SMTP_HOST": "localhost", "SMTP_SECURITY": "none", "SMTP_USER": "u", "SMTP_PASSWORD": "pw"},
            "needs starttls",
        ),
        ({"SMTP_USER": "u"}, "go together"),
        ({"SMTP_PASSWORD": "pw-in-clear"}, "go together"),
        ({"SMTP_FROM": ""}, "needs SMTP_FROM"),
        ({"SMTP_FROM": "printers"}, "SMTP_FROM"),
        ({"SMTP_PORT": "0"}, "SMTP_PORT"),
        ({"SMTP_SECURITY": "ssl"}, "SMTP_SECURITY"),
    ],
)
def test_what_does_not_go_together_is_refused_and_not_shown(more: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refusal:
        read(**{**MAIL, **more})
    assert "pw-in-clear" not in str(refusal.value)


def test_the_password_is_not_in_what_is_printed_of_the_settings() -> None:
    settings = read(**MAIL, SMTP_USER="u", SMTP_PASSWORD="pw-in-clear")
    assert "pw-in-clear" not in repr(settings) + repr(settings.mail_server())


def test_the_back_off_may_be_chosen() -> None:
    assert [each.total_seconds() for each in read().policy().notification_backoff] == [30, 120, 600, 3600, 14400]
    chosen = read(NOTIFICATION_BACKOFF_SECONDS="0.5,1, 2").policy().notification_backoff
    assert chosen == (timedelta(seconds=0.5), timedelta(seconds=1), timedelta(seconds=2))


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "a", ",", "1,86401", ",".join(["1"] * 11)])
def test_a_back_off_is_a_few_times_within_a_day(wrong: str) -> None:
    with pytest.raises(ValidationError, match="NOTIFICATION_BACKOFF_SECONDS"):
        read(NOTIFICATION_BACKOFF_SECONDS=wrong)
