"""Where a channel of each kind may send to."""

import re
from collections.abc import Mapping

from printpipe.domain.errors import InvalidInput
from printpipe.domain.notifications import ChannelKind
from printpipe.domain.policy import Policy
from printpipe.domain.ports.mail import mail_address
from printpipe.services.context import Context

_FIELD = "address"

_OWN_HOSTS: Mapping[ChannelKind, frozenset[str]] = {
    "ntfy": frozenset({"ntfy.sh"}),
    "discord": frozenset({"discord.com", "discordapp.com"}),
    "slack": frozenset({"hooks.slack.com"}),
}
_CHOSEN_HOSTS: frozenset[ChannelKind] = frozenset({"webhook", "ntfy"})
"""The kinds that may send to the hosts that the deployment allows."""

_FORMS: Mapping[ChannelKind, tuple[re.Pattern[str], str]] = {
    "ntfy": (
        re.compile(r"https://[^/?#]+/[A-Za-z0-9_-]{1,64}", re.IGNORECASE),
        "The address of an ntfy channel is its server and topic, as https://ntfy.sh/my-topic.",
    ),
    "discord": (
        re.compile(
            r"https://discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]+/[A-Za-z0-9_-]+(?:\?thread_id=[0-9]+)?"
        ),
        "The address of a Discord channel is a webhook's, as https://discord.com/api/webhooks/….",
    ),
    "slack": (
        re.compile(r"https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]+"),
        "The address of a Slack channel is an incoming webhook's, as https://hooks.slack.com/services/….",
    ),
}


def hosts(policy: Policy, kind: ChannelKind) -> frozenset[str]:
    """The hosts that a channel of this kind may send to: its service's own, and what the deployment allows."""
    own = _OWN_HOSTS.get(kind, frozenset())
    return own | policy.webhook_hosts if kind in _CHOSEN_HOSTS else own


def check(context: Context, kind: ChannelKind, address: str) -> None:
    """Raises `InvalidInput` with the field `address` where a channel of this kind cannot have this address.

    A URL's host is looked up, so that a typing error is told at once; it is checked again whenever something is sent.
    """
    if kind == "email":
        if not context.policy.mail:
            raise InvalidInput("This deployment sends no e-mail: its setting SMTP_HOST is empty.", field=_FIELD)
        mail_address(address)
        return
    allowed = hosts(context.policy, kind)
    if not allowed:
        message = "This deployment allows no hosts for webhooks: its setting WEBHOOK_ALLOWED_HOSTS is empty."
        raise InvalidInput(message, field=_FIELD)
    if kind in _FORMS:
        form, message = _FORMS[kind]
        if not form.fullmatch(address):
            raise InvalidInput(message, field=_FIELD)
    context.platform.outbound.check(address, allowed)
