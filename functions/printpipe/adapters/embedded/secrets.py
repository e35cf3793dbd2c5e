"""The secret store as a folder: one file a secret, without versions."""

from pathlib import Path

from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.secrets import SecretMissing


class EmbeddedSecrets:
    """A secret's file has the name that the secret has in its project."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """The file's bytes; whichever version is asked for."""
        file = self._folder / name.split("/")[3]
        try:
            return file.read_bytes()
        except FileNotFoundError:
            raise SecretMissing(f"{file} is not there") from None
        except OSError as error:
            raise Unavailable(f"the secret cannot be read: {error.strerror}") from error
