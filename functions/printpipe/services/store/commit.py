"""Writes whose outcome is certain, though the store's answer may be lost."""

from printpipe.domain.errors import Unavailable
from printpipe.domain.ports.documents import Create, Documents, Write


def commit_new(documents: Documents, proof: Create, *others: Write) -> None:
    """Writes a batch that creates `proof`, whose data nobody else would write.

    Where the store does not say whether it was written, `proof` does: a caller that is told 503 tries again, and for
    a start or a claim that must not happen after it has been written. Raises what `commit` raises.
    """
    try:
        documents.commit(proof, *others)
    except Unavailable:
        stored = documents.get(proof.path)
        if stored is None or dict(stored.data) != dict(proof.data):
            raise
