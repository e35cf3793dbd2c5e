"""The one-use tokens with which files are fetched: who has one gets the file, once."""

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from printpipe.domain import fetch_tokens
from printpipe.domain.errors import Conflict, Gone, Unavailable
from printpipe.domain.fetch_tokens import FetchToken
from printpipe.domain.file_records import StoredPrintFile
from printpipe.domain.lifecycles import JobStatus, file_status
from printpipe.domain.log import log
from printpipe.domain.ports.documents import Document, DocumentChanged, DocumentExists, Update, Write
from printpipe.domain.ports.files import FileMissing
from printpipe.services.access.sealing import unseal
from printpipe.services.context import Context
from printpipe.services.files.files import FileTicket, path, secret_place, signed_link
from printpipe.services.jobs import jobs, starts
from printpipe.services.store import queries

MAX_INLINE_BYTES = 22 * 1024 * 1024
"""A larger file does not fit, in base64, into a function's answer of 32 MB."""

MAX_LISTED = 100
_TRIES = 5
_FETCHER = "(fetch)"
"""Who claimed a job by fetching its file: no name that a client could give."""


@dataclass(frozen=True)
class Fetched:
    """A file that was given out: its bytes in base64 unless too large, a link to it, and what was attached."""

    file: StoredPrintFile
    data: str | None
    download_url: str | None
    encrypted_data: str | None


def fetch(context: Context, token: str, *, metadata_only: bool) -> Fetched:
    """Uses a token up and gives the file out. A job of it that nobody began counts as taken by whoever fetched it.

    Raises `NotFound` for a forged token, `Gone` for one that was used or has expired.
    """
    claim = fetch_tokens.read(token, context.policy.fetch_token_secrets)
    if claim.expires_at <= context.now():
        raise Gone("The fetch token has expired")
    document = _current(context, claim)
    file = StoredPrintFile.of(document)
    attached = _unseal_attached(context, file)
    if metadata_only:
        fetched = Fetched(file, None, None, attached)
    else:  # the bytes first: a token that was used up for nothing could not be had again
        fetched = Fetched(file, _inline(context, file), signed_link(context, file), attached)
    _consume(context, document, claim, takes_job=claim.takes_job and not metadata_only)
    log("file_fetched", fileId=file.file_id, mode="metadata" if metadata_only else "full")
    return fetched


def ticket(context: Context, file_id: str) -> FileTicket | None:
    """The file for a command's executor, with a token that is good now; None where it is gone.

    Which job the command is about was settled when it was queued, so the token takes none.
    """
    document = context.documents.get(path(context, file_id))
    return _ticket(context, StoredPrintFile.of(document), takes_job=False) if document else None


def renew(context: Context, file_id: str, *, takes_job: bool = True) -> FileTicket | None:
    """The file with a token that nobody has had yet; every earlier one is used up. None where the file is gone."""
    for _ in range(_TRIES):
        document = context.documents.get(path(context, file_id))
        if document is None:
            return None
        file = StoredPrintFile.of(document)
        fresh = _ticket(context, file.model_copy(update={"generation": file.generation + 1}), takes_job=takes_job)
        changes = {
            "generation": fresh.file.generation,
            "fetchToken": fetch_tokens.digest(fresh.token),
            "fetchTokenExpiry": fresh.expires_at,
            "fetchTokenConsumed": False,
        }
        try:
            context.documents.commit(Update(document.path, changes, document.version))
        except DocumentChanged:
            continue
        log("fetch_token_renewed", fileId=file_id, generation=fresh.file.generation)
        return fresh
    raise Unavailable("The file is being changed by others", retry_after=1)


def waiting(context: Context, recipient_id: str) -> list[FileTicket]:
    """The recipient's newest files that were uploaded or queued and not begun, oldest first, each with its token.

    The tokens take jobs where the caller may claim them.
    """
    words = [file_status(JobStatus.HELD), file_status(JobStatus.QUEUED)]
    query = queries.newest_files(context.collections, recipient_id, words, MAX_LISTED)
    takes_job, found = context.caller.may("jobs.claim"), reversed(context.documents.query(query))
    return [_ticket(context, StoredPrintFile.of(each), takes_job=takes_job) for each in found]


def mint(context: Context, file_id: str, generation: int, expires: datetime) -> str:
    """A token for one use of the file at that generation."""
    return fetch_tokens.mint(FetchToken(file_id, generation, expires), context.policy.fetch_token_secrets[0])


def _current(context: Context, claim: FetchToken) -> Document:
    document = context.documents.get(path(context, claim.file_id))
    if document is None:
        raise Gone("The file has been removed")
    if document.data["generation"] != claim.generation:
        raise Gone("The fetch token has been used")
    if context.directory.is_leaving(document.data["organizationId"]):
        raise Gone("The file's organization is no more")
    return document


def _consume(context: Context, document: Document, claim: FetchToken, *, takes_job: bool) -> None:
    for _ in range(_TRIES):
        used = {"generation": claim.generation + 1, "fetchTokenConsumed": True}
        taken, writes = _take_job(context, document) if takes_job else ({}, [])
        try:
            context.documents.commit(Update(document.path, {**used, **taken}, document.version), *writes)
        except (DocumentChanged, DocumentExists):
            document = _current(context, claim)  # somebody else's use of the token is `Gone`; a claim is not
            continue
        return
    raise Unavailable("The file is being changed by others", retry_after=1)


def _take_job(context: Context, document: Document) -> tuple[dict[str, Any], list[Write]]:
    """A job that is held or waits counts as claimed by whoever fetches its file: its newest one, else its first.

    What that changes of the file, and the other writes; nothing where neither is to be had.
    """
    ids = (StoredPrintFile.of(document).newest_job_id, document.id)
    paths = list(dict.fromkeys(jobs.path(context, each) for each in ids if each))
    found = context.documents.get_many(paths)
    for job in (found[each] for each in paths if each in found):
        try:
            _, proof, updates = starts.claim_writes(context, job, _FETCHER)
        except Conflict:
            continue
        of_file = {name: value for each in updates if each.path == document.path for name, value in each.fields.items()}
        return of_file, [proof, *(each for each in updates if each.path != document.path)]
    return {}, []


def _unseal_attached(context: Context, file: StoredPrintFile) -> str | None:
    if file.encrypted_data is None:
        return None
    return unseal(context.platform.keys, file.encrypted_data, secret_place(file.organization_id, file.file_id)).decode()


def _inline(context: Context, file: StoredPrintFile) -> str | None:
    if file.size > MAX_INLINE_BYTES:
        return None
    try:
        with context.platform.files.open(file.gcs_path) as stream:
            return b64encode(stream.read()).decode()
    except FileMissing:
        raise Gone("The file has been removed") from None


def _ticket(context: Context, file: StoredPrintFile, *, takes_job: bool = True) -> FileTicket:
    expires = fetch_tokens.expiry(context.now(), context.policy.fetch_token_lifetime)
    token = FetchToken(file.file_id, file.generation, expires, takes_job)
    return FileTicket(file, fetch_tokens.mint(token, context.policy.fetch_token_secrets[0]), expires)
