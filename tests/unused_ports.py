"""Ports that a test has no use for."""

from printpipe.domain.ports.credentials import Credentials
from printpipe.domain.ports.mail import Mail
from printpipe.domain.ports.outbound import Outbound
from printpipe.domain.ports.remote import RemoteFiles
from printpipe.domain.ports.secrets import Secrets
from printpipe.domain.ports.web_keys import WebKeys


class UnusedPorts:
    """What leads out of the house; asking for any of it fails the test."""

    @property
    def remote(self) -> RemoteFiles:
        raise LookupError("no file behind a URL is used here")

    @property
    def web_keys(self) -> WebKeys:
        raise LookupError("no bearer token is used here")

    @property
    def credentials(self) -> Credentials:
        raise LookupError("no agent's credentials are asked for here")

    @property
    def secrets(self) -> Secrets:
        raise LookupError("no secret is used here")

    @property
    def outbound(self) -> Outbound:
        raise LookupError("nothing is posted here")

    @property
    def mail(self) -> Mail:
        raise LookupError("no mail is sent here")
