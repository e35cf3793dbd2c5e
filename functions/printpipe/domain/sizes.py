"""How much may come at once. MB is 1,000,000 bytes."""

from typing import Final

REQUEST_BYTES: Final = 32_000_000
"""The most that one request may carry, file and form together."""

UPLOAD_BYTES: Final = 500_000_000
"""The most that a file may have that its sender puts into the bucket itself.

No more than a file may unpack to: a larger one could only be refused when it is there.
"""
