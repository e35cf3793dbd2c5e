"""From a printer's reports of an error to its incident: written, told of, and acted on where that was chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from printpipe.domain.errors import Unavailable
from printpipe.domain.hms_advice import advice
from printpipe.domain.incidents import TOGETHER, Course, Incident, Kind, digest, episodes
from printpipe.domain.log import log
from printpipe.domain.messages import HmsEvent
from printpipe.domain.ports.documents import Create, Delete, Document, PreconditionFailed, Update, Write
from printpipe.domain.records import Command, Event
from printpipe.services import events
from printpipe.services.commands import commands
from printpipe.services.context import Context
from printpipe.services.incidents import announcing, reaction
from printpipe.services.incidents.subject import Subject
from printpipe.services.notifications import planning
from printpipe.services.store import incident_queries
from printpipe.services.store.effects import Effect

_TRIES = 8
_MOST_RELATED = 20
_EPISODES_READ = 10
"""What comes later than the tenth last episode of its error is not followed any more."""

_OTHER: Mapping[Kind, Kind] = {"hms": "print_error", "print_error": "hms"}


@dataclass(frozen=True)
class _Stored:
    """What is stored of a printer's error: its last episodes, the oldest in front, and what may belong to it."""

    own: Mapping[str, Document]
    others: Mapping[str, Document]


@dataclass
class _Change:
    """What is to become of it: incidents by id, as they are to be; and those that are to be no more."""

    after: dict[str, Incident] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    concerned: str | None = None
    command: Command | None = None


def follow(context: Context, message: HmsEvent, effect: Effect) -> None:
    """Makes the printer's incidents say what all its reports come to, this one among them.

    Whatever is written repeats harmlessly, so it is done until nothing is left to do, and noted at the end: an incident
    that is stored by others at the same time is seen then. Raises `Unavailable` where others keep changing the same.
    """
    document = context.documents.get(events.path(context, message.printer_event_id))
    subject = Subject.of(context, Event.of(document)) if document is not None else None
    if subject is None:
        log("hms_event_passed_over", printerEventId=message.printer_event_id, stored=document is not None)
        return
    if reason := subject.reason_to_ignore(context.now()):
        log("hms_event_ignored", printerEventId=message.printer_event_id, code=subject.entry.hms_code, reason=reason)
    else:
        incident = _settled(context, subject)
        _show_picture(context, subject, incident)
    context.documents.commit(effect.note(context))


def _settled(context: Context, subject: Subject) -> Incident | None:
    """Writes until all is as it should be; the incident that the event belongs to."""
    for _ in range(_TRIES):
        stored = _stored(context, subject)
        change = _change(context, subject, stored)
        writes = list(_writes(context, stored, change))
        if not writes:
            return change.after.get(change.concerned or "")
        before = _read(stored)
        plan = planning.plan(context, *announcing.notices(subject, change.after, before, context.now()))
        writes += plan.writes
        try:
            if change.command is not None:
                audited = commands.audited(context, change.command, "command.queued")
                commands.send(context, change.command, audited, *writes)
            else:
                context.documents.commit(*writes)
        except PreconditionFailed:
            continue
        plan.announce(context)
        _note(change, before)
    raise Unavailable("The printer's incidents are being changed by others", retry_after=1)


def _stored(context: Context, subject: Subject) -> _Stored:
    query = incident_queries.newest_of_series(context.collections, subject.series, _EPISODES_READ)
    own = list(reversed(context.documents.query(query)))
    query = incident_queries.related_incidents(
        context.collections, subject.group, _OTHER[subject.kind], subject.at - TOGETHER, _MOST_RELATED
    )
    others = {each.id: each for each in context.documents.query(query)}
    known = {path(context, name) for each in own for name in each.data["related"] if name not in others}
    found = context.documents.get_many(sorted(known)) if known else {}
    return _Stored({each.id: each for each in own}, {**others, **{each.id: each for each in found.values()}})


def _change(context: Context, subject: Subject, stored: _Stored) -> _Change:
    change = _episodes(context, subject, [Incident.of(each) for each in stored.own.values()])
    for other in (Incident.of(each) for each in stored.others.values()):
        partner = other.without(change.gone)
        for identity, own in list(change.after.items()):
            if own.kind != subject.kind:
                continue
            if own.is_with(partner):
                change.after[identity], partner = own.joined_with(partner), partner.joined_with(own)
            else:  # a report that came late may have parted what seemed to be together
                change.after[identity] = own.without([partner.incident_id])
                partner = partner.without([identity])
        if partner != other:
            change.after[other.incident_id] = partner
    _react(context, subject, change)
    return change


def _react(context: Context, subject: Subject, change: _Change) -> None:
    """Adds what is done by itself about an open incident, once: with its first report for which that is called for."""
    incident = change.after.get(change.concerned or "")
    if incident is None or not subject.is_error or incident.status != "open" or incident.action is not None:
        return
    change.command = reaction.pause(context, subject, incident)
    if change.command is not None:
        change.after[incident.incident_id] = incident.model_copy(update={"action": "paused"})


def _episodes(context: Context, subject: Subject, own: Sequence[Incident]) -> _Change:
    """The error's last episodes with the event's mark among the others.

    They begin with the first that is read, or with the last of which a part is kept as a sum alone.
    """
    own = own[max((at for at, each in enumerate(own) if each.folded is not None), default=0) :]
    mark = subject.mark
    known = {each.event_id: each for incident in own for each in incident.marks}
    is_late = bool(own) and mark.event_id not in known and own[0].forgets(mark)
    if is_late:
        log("hms_event_late", printerEventId=mark.event_id, code=subject.entry.hms_code)
    else:
        known.setdefault(mark.event_id, mark)
    folded, first = (own[0].folded or Course(), own[0].number) if own else (Course(), 1)
    former = {each.number: each for each in own}
    change = _Change()
    for number, episode in enumerate(episodes(folded, known.values()), first):
        incident = (former.get(number) or _new(context, subject, number)).following(episode)
        change.after[incident.incident_id] = incident
        if any(each.event_id == mark.event_id for each in episode.marks):
            change.concerned = incident.incident_id
    for gone in (each for each in own if each.incident_id not in change.after):
        change.gone.append(gone.incident_id)
        change.after[incident.incident_id] = incident = incident.inheriting(gone)
    return change


def _new(context: Context, subject: Subject, number: int) -> Incident:
    event, entry, printer = subject.event, subject.entry, subject.printer
    now = context.now()
    return Incident(
        incident_id=digest(subject.series, number),
        organization_id=event.organization_id,
        recipient_id=event.recipient_id,
        printer_id=printer.printer_id if printer else None,
        printer_serial=event.printer_serial or (printer.serial if printer else None),
        printer_ip_address=event.printer_ip_address,
        series=subject.series,
        group=subject.group,
        kind=subject.kind,
        number=number,
        code=entry.hms_code,
        severity=entry.severity,
        module=entry.module,
        description=entry.description or f"{entry.module.replace('_', ' ')} reports {entry.hms_code}",
        advice=advice(entry.hms_code),
        created_at=now,
        updated_at=now,
    )


def _writes(context: Context, stored: _Stored, change: _Change) -> Iterator[Write]:
    """What differs; and with it the last episode as it was read, so that of two changes at once one fails."""
    documents = {**stored.own, **stored.others}
    before, now = _read(stored), context.now()
    changed = {name: each for name, each in change.after.items() if each != before.get(name)}
    if not changed and not change.gone:
        return
    for name, incident in changed.items():
        data = incident.model_copy(update={"updated_at": now}).data()
        if (document := documents.get(name)) is not None:
            yield Update(document.path, data, document.version)
        else:
            yield Create(path(context, name), data)
    for name in change.gone:
        yield Delete(stored.own[name].path, stored.own[name].version)
    for name, last in list(stored.own.items())[-1:]:
        if name not in changed and name not in change.gone:
            yield Update(last.path, {"series": last.data["series"]}, last.version)


def _show_picture(context: Context, subject: Subject, incident: Incident | None) -> None:
    """Gives the event's picture to what waits for it."""
    image = subject.event.image
    if image is not None and incident is not None and subject.is_error:
        planning.complete(
            context,
            incident.organization_id,
            announcing.subject_of(incident),
            announcing.OPENED,
            image.gcs_path,
        )


def _note(change: _Change, before: Mapping[str, Incident]) -> None:
    for name, incident in change.after.items():
        former = before[name].status if name in before else None
        if incident.status != former:
            log(
                "incident_changed",
                incidentId=name,
                code=incident.code,
                status=incident.status,
                former=former,
                printerId=incident.printer_id,
                action=incident.action,
            )


def _read(stored: _Stored) -> dict[str, Incident]:
    return {name: Incident.of(each) for name, each in {**stored.own, **stored.others}.items()}


def path(context: Context, incident_id: str) -> str:
    """Where an incident is stored."""
    return f"{context.collections.incidents}/{incident_id}"
