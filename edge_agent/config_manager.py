"""What programs beside the agent read of its configuration: where the cloud is, and with which key as whom.

config = get_config_manager()
reporter = EventReporter(config.get_backend_url(), config.get_api_key(), config.get_recipient_id())
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_agent.config import DEFAULT_PATH, ConfigError, read


class ConfigManager:
    """The file as it was when this was made. A field that is missing, or a file that is refused, gives None.

    `problem` says why nothing could be read, in words for the operator.
    """

    def __init__(self, path: Path = DEFAULT_PATH) -> None:
        self.problem: str | None = None
        self._content: Mapping[str, Any] = {}
        try:
            content = read(path)
        except ConfigError as error:
            self.problem = str(error)
        else:
            self._content = content if isinstance(content, dict) else {}

    def get_backend_url(self) -> str | None:
        """The cloud's address, without a slash at its end."""
        url = self._text("backend_url")
        return url.rstrip("/") if url else None

    def get_api_key(self) -> str | None:
        """The key for `X-API-Key`; never to be shown."""
        return self._text("api_key")

    def get_recipient_id(self) -> str | None:
        """The site's id."""
        return self._text("recipient_id")

    def get_organization_id(self) -> str | None:
        """The organization's id, which the file need not have."""
        return self._text("organization_id")

    def is_configured(self) -> bool:
        """Whether there is all that reporting needs."""
        return bool(self.get_backend_url() and self.get_api_key() and self.get_recipient_id())

    def _text(self, name: str) -> str | None:
        value = self._content.get(name)
        return value.strip() or None if isinstance(value, str) else None


def get_config_manager() -> ConfigManager:
    """The configuration of this user, `~/.printmaster/config.json`, read anew."""
    return ConfigManager()
