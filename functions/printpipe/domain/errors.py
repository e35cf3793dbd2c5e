"""Every error that a caller may see; a dialect turns each into its own shape."""

from datetime import datetime
from typing import ClassVar


class DomainError(Exception):
    """The base: a message for people, and the field it concerns where there is one."""

    code: ClassVar[str]

    def __init__(self, message: str, *, field: str | None = None, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.detail = detail


class InvalidInput(DomainError):
    """A value is missing, malformed or out of range; `field` names it."""

    code = "invalid_input"


class Unauthenticated(DomainError):
    """No credential, or not a valid one."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """The credential is valid but does not allow this."""

    code = "forbidden"


class NotFound(DomainError):
    """Nothing by that name, or nothing that this caller may know of."""

    code = "not_found"


class MethodNotAllowed(DomainError):
    """The path is right, the method is not."""

    code = "method_not_allowed"


class Conflict(DomainError):
    """The thing's present state does not allow this."""

    code = "conflict"


class PrinterBusy(Conflict):
    """What the printer does now does not allow this."""

    code = "printer_busy"


class PrinterOffline(DomainError):
    """The printer, or the agent at its site, does not answer; `last_seen` is when it was heard last."""

    code = "printer_offline"

    def __init__(self, message: str, *, printer_id: str, last_seen: datetime | None) -> None:
        super().__init__(message, field="printer_id")
        self.printer_id = printer_id
        self.last_seen = last_seen


class DownloadFailed(DomainError):
    """A file could not be had from its printer."""

    code = "download_failed"


class Gone(DomainError):
    """It was there once: used up or expired."""

    code = "gone"


class TooLarge(DomainError):
    """More bytes than a limit allows."""

    code = "too_large"


class RateLimited(DomainError):
    """Too many calls; try again after `retry_after` seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class IndexMissing(DomainError):
    """The document store cannot answer a query without an index that is not there; `url` creates it."""

    code = "index_missing"

    def __init__(self, url: str) -> None:
        super().__init__("The query requires an index", detail="Follow the URL to create the required index")
        self.url = url


class Unavailable(DomainError):
    """A service behind us does not answer; try again after `retry_after` seconds."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after
