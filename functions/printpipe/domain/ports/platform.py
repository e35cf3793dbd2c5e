"""The ports together, as a running function holds them."""

from typing import Protocol

from printpipe.domain.ports.bus import Bus
from printpipe.domain.ports.credentials import Credentials
from printpipe.domain.ports.documents import Documents
from printpipe.domain.ports.files import Files
from printpipe.domain.ports.keys import Keys
from printpipe.domain.ports.mail import Mail
from printpipe.domain.ports.outbound import Outbound
from printpipe.domain.ports.remote import RemoteFiles
from printpipe.domain.ports.secrets import Secrets
from printpipe.domain.ports.web_keys import WebKeys


class Platform(Protocol):
    """Every port is made when it is first asked for; one that the catalog's row does not use is an error."""

    @property
    def documents(self) -> Documents: ...

    @property
    def files(self) -> Files: ...

    @property
    def bus(self) -> Bus: ...

    @property
    def keys(self) -> Keys: ...

    @property
    def credentials(self) -> Credentials: ...

    @property
    def secrets(self) -> Secrets: ...

    @property
    def remote(self) -> RemoteFiles: ...

    @property
    def web_keys(self) -> WebKeys: ...

    @property
    def outbound(self) -> Outbound: ...

    @property
    def mail(self) -> Mail: ...
