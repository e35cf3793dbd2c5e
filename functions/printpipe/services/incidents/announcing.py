"""What people are told of incidents: once that there is one, and once that it is over, however often it comes back."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from printpipe.domain.incidents import Incident
from printpipe.domain.notifications import Notice, Severity
from printpipe.services.incidents.subject import Subject

OPENED = "hms_error"
CLEARED = "hms_cleared"

OLD = timedelta(hours=1)
"""Of what was over so long ago when we heard of it, nobody is told."""

_SEVERITIES: Mapping[str, Severity] = {
    "fatal": "critical",
    "critical": "critical",
    "serious": "error",
    "error": "error",
    "common": "warning",
    "info": "info",
}


def notices(
    subject: Subject, after: Mapping[str, Incident], before: Mapping[str, Incident], now: datetime
) -> Iterator[Notice]:
    """What there is to tell where incidents become as they are `after`: nothing of one that another tells of.

    `before` are those that are stored, by id.
    """
    for name, incident in after.items():
        former = before.get(name)
        if incident.status not in ("open", "resolved") or _is_old(incident, now):
            continue
        known = any(before[each].has_begun for each in incident.related if each in before)
        if not (former and former.has_begun) and not known:
            yield _notice(subject, incident, OPENED)
        if incident.has_ended and not (former and former.has_ended):
            yield _notice(subject, incident, CLEARED)


def subject_of(incident: Incident) -> str:
    """By which a notice's picture finds it."""
    return f"incident:{incident.incident_id}"


def _is_old(incident: Incident, now: datetime) -> bool:
    return incident.resolved_at is not None and now - incident.resolved_at > OLD


def _notice(subject: Subject, incident: Incident, kind: str) -> Notice:
    printer, image = subject.printer, subject.event.image
    name = (printer.name or printer.chosen_id if printer else None) or incident.printer_serial
    called = name or incident.printer_ip_address or "A printer"
    opened = kind == OPENED
    severity = _SEVERITIES.get(incident.severity, "warning") if opened else "info"
    pictured = opened and subject.is_error and image is not None
    return Notice(
        event_type=kind,
        event_id=f"incident:{incident.incident_id}:{'opened' if opened else 'cleared'}",
        organization_id=incident.organization_id,
        occurred_at=subject.at,
        title=f"{called} reports an error" if opened else f"{called}: the error is over",
        text=_text(incident) if opened else f"{incident.description} ({incident.code}) is over.",
        printer_id=incident.printer_id,
        printer_name=name,
        recipient_id=incident.recipient_id,
        job_id=incident.job_id,
        severity=severity,
        image_path=image.gcs_path if pictured and image is not None else None,
        awaits_picture=opened and not pictured and severity != "critical" and bool(printer and printer.picture),
        subject=subject_of(incident),
        details={
            "incident_id": incident.incident_id,
            "code": incident.code,
            "print_error": incident.print_error,
            "severity": incident.severity,
            "module": incident.module,
            "action": incident.action,
        },
    )


def _text(incident: Incident) -> str:
    said = [f"{incident.description} ({incident.code})."]
    if incident.action == "paused":
        said.append("The print is being paused.")
    return " ".join([*said, *([incident.advice] if incident.advice else [])])
