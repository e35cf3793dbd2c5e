"""A command's result as executors send it: any JSON, of which a text is kept."""

import json
from typing import Any

from printpipe.domain.printer_status import cleaned
from printpipe.domain.values import Text

MOST_CHARACTERS = 4096

AnyResult = Text | bool | int | float | dict[str, Any] | list[Any]
"""What a result may be."""


def result_text(result: AnyResult | None) -> str | None:
    """A text as it is; of anything else the first 4,096 characters as JSON, without fields named like secrets."""
    if result is None or isinstance(result, str):
        return result
    return json.dumps(cleaned(result))[:MOST_CHARACTERS]
