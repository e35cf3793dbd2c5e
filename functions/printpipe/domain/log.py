"""Log events with fields; how they are written is the runtime's business."""

import logging
from typing import Any

_logger = logging.getLogger("printpipe")


def log(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Notes that something happened; `fields` never hold a secret."""
    _logger.log(level, event, extra={"fields": fields})


def log_failure(event: str, **fields: Any) -> None:
    """Notes the exception that is being handled, with its stack."""
    _logger.error(event, exc_info=True, extra={"fields": fields})
