"""An instance of a function that one client calls again and again: `… <store's file> <calls>`. It tells what came."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from printpipe.adapters.embedded.documents import EmbeddedDocuments
from printpipe.adapters.metered import MeteredDocuments, billed
from printpipe.domain.policy import Collections
from printpipe.services.access.rate_limits import RateLimits

CLIENT = "key of-one-client"
NOON = datetime(2025, 9, 3, 12, tzinfo=UTC)


def main(store: str, calls: str) -> None:
    """Begins with the first line on standard input, so that all instances call at the same time."""
    with billed() as bill:
        limits = RateLimits(MeteredDocuments(EmbeddedDocuments(Path(store))), Collections(), lambda: NOON)
        sys.stdin.readline()
        served = sum(limits.take(CLIENT, "general")[1] is None for _ in range(int(calls)))
    print(json.dumps({"served": served, "writes": bill.writes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
