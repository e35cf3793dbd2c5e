"""Dead letters as administrators handle them: looked at, delivered again, removed."""

from printpipe.domain.dead_letters import REPLAY, DeadLetter, Status
from printpipe.domain.errors import Conflict, NotFound, Unavailable
from printpipe.domain.ids import Once
from printpipe.domain.messages import ONLY
from printpipe.domain.ports.documents import Create, Delete, Document, PreconditionFailed, Update
from printpipe.services.access import organizations
from printpipe.services.context import Context
from printpipe.services.dead_letters import path
from printpipe.services.store import audit, dead_letter_queries, paging, receipts
from printpipe.services.store.paging import Page, Slice

SHOWN: tuple[Status, ...] = ("dead", "replayed")
"""What is listed by default: most of what is failing is taken a moment later."""

_NO_TENANT = ""
"""Under which tenant the calls about messages are remembered that name no organization."""

_TRIES = 5


def find(
    context: Context, organization_id: str | None, function: str | None, status: Status | None, wanted: Slice
) -> Page[DeadLetter]:
    """The dead letters of an organization, by default of the caller's, or of every one for the operator.

    Raises `NotFound` and `Forbidden` as `organizations.administered` does.
    """
    tenant = organization_id
    if tenant is not None or context.caller.organization_id is not None:
        tenant = organizations.administered(context, organization_id)
    query = dead_letter_queries.dead_letters(
        context.collections, tenant, function, SHOWN if status is None else [status], wanted.after, wanted.limit + 1
    )
    return paging.read(context.documents, query, wanted, DeadLetter.of)


def replay(context: Context, dead_letter_id: str, once: Once) -> DeadLetter:
    """Publishes the message again, for the one function that did not take it.

    It is published before that is noted: a message that is published twice has one effect, one that is not has none.
    Raises `NotFound`, and `Conflict` where it is not dead, or cannot be published.
    """
    published = 0
    for _ in range(_TRIES):
        document = _find(context, dead_letter_id)
        letter = DeadLetter.of(document)
        tenant = letter.organization_id or _NO_TENANT
        if repeated := receipts.find(context, tenant, once):
            return DeadLetter.of(repeated.created)
        number = letter.replays + 1
        if published != number:
            _publish(context, letter, number)
        published = number
        replayed = letter.model_copy(
            update={
                "status": "replayed",
                "replays": number,
                "replayed_at": context.now(),
                "replayed_by": context.caller.key_id or context.caller.name,
            }
        )
        noted = replayed.fields(["status", "replays", "replayed_at", "replayed_by"])
        done = _audit(context, "dead_letter.replayed", letter)
        receipt = receipts.issue(context, tenant, once, document.path)
        try:
            context.documents.commit(Update(document.path, noted, document.version), done, *receipt)
        except PreconditionFailed:  # it failed again already, or somebody else did the same
            continue
        return replayed
    raise Unavailable("The dead letter is being changed by others", retry_after=1)


def remove(context: Context, dead_letter_id: str) -> DeadLetter:
    """Forgets a message. Raises `NotFound`."""
    for _ in range(_TRIES):
        document = _find(context, dead_letter_id)
        letter = DeadLetter.of(document)
        done = _audit(context, "dead_letter.removed", letter)
        try:
            context.documents.commit(Delete(document.path, document.version), done)
        except PreconditionFailed:
            continue
        return letter
    raise Unavailable("The dead letter is being changed by others", retry_after=1)


def _publish(context: Context, letter: DeadLetter, number: int) -> None:
    if letter.status != "dead":
        said = "is still being delivered" if letter.status == "failing" else "was delivered again already"
        raise Conflict(f"The message {said}", field="deadLetterId")
    if letter.content is None or letter.topic is None:
        said = "was too large to be kept" if letter.content is None else "is of a subscription that is not known"
        raise Conflict(f"The message {said}", field="deadLetterId")
    attributes = {**letter.attributes, ONLY: letter.function, REPLAY: str(number)}
    try:
        context.platform.bus.publish(letter.topic, letter.content, attributes)
    except ValueError:
        raise Conflict("The topic's schema does not allow the message", field="deadLetterId") from None


def _find(context: Context, dead_letter_id: str) -> Document:
    document = context.documents.get(path(context, dead_letter_id))
    organization = context.caller.organization_id
    if document is None or organization not in (None, document.data["organizationId"]):
        raise NotFound("No such dead letter", field="deadLetterId")
    if organization is not None:
        organizations.administered(context, organization)
    return document


def _audit(context: Context, action: str, letter: DeadLetter) -> Create:
    detail = f"{letter.kind or 'a message'} for {letter.function}"
    return audit.entry(context, action, letter.organization_id, subject=letter.dead_letter_id, detail=detail)
