"""A file was stored: its pictures are taken out of it, and what it left unsaid of its filaments is counted."""

from printpipe.domain.messages import FileEvent
from printpipe.services.context import Context
from printpipe.services.files import reading
from printpipe.services.store.effects import Effect


def handle(message: FileEvent, effect: Effect, context: Context) -> None:
    """Reads the file; what was read, or removed, is left as it is."""
    reading.read(context, message.file_id, effect)
