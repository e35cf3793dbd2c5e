"""How a download names its file (RFC 6266)."""

from urllib.parse import quote


def attachment(file_name: str) -> str:
    """The Content-Disposition for a user's file name: an ASCII fallback, and the whole name in UTF-8."""
    printable = "".join(character for character in file_name if character.isprintable())
    fallback = "".join(c if c.isascii() and c not in '"\\%/' else "_" for c in printable)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(printable, safe='')}"
