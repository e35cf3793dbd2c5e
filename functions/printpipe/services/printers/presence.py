"""Which printers and sites are there, for notices and lists: dispatch goes by what was reported last, at once.

One that was silent for too long is offline; it is online again when two signs of life lie apart, so that a single one,
or a short silence, changes nothing and nobody is told of it. Printers that fall silent with their site are told of with
it; those that stay silent when it is back are told of then. Every change is written with what is told of it, and asks
that the document be as it was read: of two sweeps at once one does it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from printpipe.domain.fitting import SILENCE
from printpipe.domain.log import log, log_failure
from printpipe.domain.notifications import Notice
from printpipe.domain.ports.documents import Document, PreconditionFailed, Query, Update
from printpipe.domain.printer_records import Presence, Printer
from printpipe.domain.tenant_records import Site
from printpipe.services.context import Context
from printpipe.services.health import HEARD_OF
from printpipe.services.notifications import planning
from printpipe.services.store import sweep_queries
from printpipe.services.store.abreast import each

RETURNED = timedelta(seconds=60)
"""How far apart the signs of life lie of what is online again."""

MOST = 2000
"""Documents that one run looks at."""

LONGEST = timedelta(seconds=40)
"""Of a run; the next one begins after a minute."""

_PAGE = 200


@dataclass(frozen=True)
class Swept:
    """What a run did: how many went offline and came online, of sites and printers together, and were told of."""

    offline: int = 0
    online: int = 0
    told: int = 0


def returns(presence: Presence, heard_at: datetime, window: timedelta) -> Presence:
    """What becomes of one that is offline and was heard of at that time, within the last `window`.

    The first time that something is heard of it at all it is online at once. A sign of life that came long before is no
    part of its return.
    """
    if presence.since is None:
        return Presence(status="online", since=heard_at)
    began = presence.returning_since
    if began is None or heard_at - began > window:
        return presence.model_copy(update={"returning_since": heard_at})
    return Presence(status="online", since=began) if heard_at - began >= RETURNED else presence


def sweep(context: Context) -> Swept:
    """Brings presence up to date. What cannot be done keeps nothing else back; what is left over, the next run does."""
    run = _Run(context)
    collections, now = context.collections, context.now()
    run.through(sweep_queries.sites_fallen_silent(collections, now - HEARD_OF, _PAGE), run.site_lost)
    run.through(sweep_queries.printers_fallen_silent(collections, now - SILENCE, _PAGE), run.printer_lost)
    run.through(sweep_queries.sites_heard_again(collections, now - HEARD_OF, _PAGE), run.site_heard)
    run.through(sweep_queries.printers_heard_again(collections, now - SILENCE, _PAGE), run.printer_heard)
    swept = run.swept
    if swept != Swept():
        log("presence_swept", offline=swept.offline, online=swept.online, told=swept.told)
    return swept


class _Run:
    """One run, as far as it has come."""

    def __init__(self, context: Context) -> None:
        self._context, self._now = context, context.now()
        self._until = self._now + LONGEST
        self._seen = 0
        self.swept = Swept()

    def through(self, query: Query, follow: Callable[[Document], Swept]) -> None:
        """Follows up everything that the query finds, page by page."""
        while self._seen < MOST and self._context.now() < self._until:
            page = self._context.documents.query(query)
            self._seen += len(page)
            for done in each(lambda document: self._undisturbed(follow, document), page):
                self.swept = Swept(
                    self.swept.offline + done.offline, self.swept.online + done.online, self.swept.told + done.told
                )
            if len(page) < _PAGE:
                return
            query = replace(query, after=[page[-1].value(query.order[0][0]), page[-1].id])

    def site_lost(self, document: Document) -> Swept:
        """A site was not heard of for too long."""
        site = Site.of(document)
        gone = Presence(since=site.last_seen_at, told=True)
        done = self._changed(document, gone, [_site_notice(site, gone)])
        if done.offline:
            log(
                "site_silent", level=logging.WARNING, recipientId=site.recipient_id, organizationId=site.organization_id
            )
        return done

    def site_heard(self, document: Document) -> Swept:
        """A site was heard of that is offline; before it is online, its printers that stay silent are told of."""
        site = Site.of(document)
        assert site.last_seen_at is not None
        after = returns(site.presence, site.last_seen_at, HEARD_OF)
        back = after.status == "online"
        if back and site.presence.since is not None:
            self._tell_of_printers(site.recipient_id)
        return self._changed(document, after, [_site_notice(site, after)] if back and site.presence.told else [])

    def printer_lost(self, document: Document) -> Swept:
        """A printer has shown nothing of itself for too long."""
        printer = Printer.of(document)
        with_site = self._is_offline(printer.recipient_id)
        tells = not with_site and _is_used(printer)
        gone = Presence(since=printer.state.shown_at if printer.state else None, told=tells, with_site=with_site)
        done = self._changed(document, gone, [_printer_notice(printer, gone)] if tells else [])
        if with_site and not self._is_offline(printer.recipient_id):  # it has come back in this moment
            self._tell_of_printers(printer.recipient_id)
        return done

    def printer_heard(self, document: Document) -> Swept:
        """A printer has shown something of itself that is offline."""
        printer = Printer.of(document)
        assert printer.state is not None
        assert printer.state.shown_at is not None
        after = returns(printer.presence, printer.state.shown_at, SILENCE)
        tells = after.status == "online" and printer.presence.told and _is_used(printer)
        return self._changed(document, after, [_printer_notice(printer, after)] if tells else [])

    def _tell_of_printers(self, recipient_id: str) -> None:
        """Tells of printers that fell silent with their site and do not come back with it."""
        query = sweep_queries.printers_silent_with_site(self._context.collections, recipient_id, _PAGE)
        while page := self._context.documents.query(query):
            for document in page:
                printer = Printer.of(document)
                shown_at = printer.state.shown_at if printer.state else None
                silent = shown_at is None or shown_at <= self._now - SILENCE
                tells = silent and printer.presence.status == "offline" and _is_used(printer)
                after = printer.presence.model_copy(update={"with_site": False, "told": tells})
                self._changed(document, after, [_printer_notice(printer, after)] if tells else [])
            if len(page) < _PAGE:
                return

    def _is_offline(self, recipient_id: str) -> bool:
        document = self._context.documents.get(f"{self._context.collections.recipients}/{recipient_id}")
        return document is not None and Site.of(document).presence.status == "offline" and _has_agent(document)

    def _changed(self, document: Document, after: Presence, notices: Sequence[Notice]) -> Swept:
        """Writes the presence, and what is told of it; nothing where it is so already, or another has changed it."""
        before = Presence.model_validate(document.data["presence"])
        if after == before:
            return Swept()
        plan = planning.plan(self._context, *notices) if notices else planning.Plan()
        try:
            self._context.documents.commit(
                Update(document.path, {"presence": after.data()}, document.version), *plan.writes
            )
        except PreconditionFailed:
            return Swept()  # it was heard of in this moment, or another sweep was faster
        plan.announce(self._context)
        turned = after.status if after.status != before.status else None
        return Swept(turned == "offline", turned == "online", len(notices))

    def _undisturbed(self, follow: Callable[[Document], Swept], document: Document) -> Swept:
        try:
            return follow(document)
        except Exception:
            log_failure("presence_sweep_failed", path=document.path)
            return Swept()


def _has_agent(site: Document) -> bool:
    """Whether the site gives signs of life of its own."""
    return site.data.get("client") == "agent" and site.data.get("lastSeenAt") is not None


def _is_used(printer: Printer) -> bool:
    return printer.active and printer.deleted_at is None


def _printer_notice(printer: Printer, after: Presence) -> Notice:
    name = printer.name or printer.chosen_id or printer.serial or printer.printer_id
    return Notice(
        **_told("printer", printer.printer_id, name, after),
        organization_id=printer.organization_id,
        recipient_id=printer.recipient_id,
        printer_id=printer.printer_id,
        printer_name=name,
    )


def _site_notice(site: Site, after: Presence) -> Notice:
    return Notice(
        **_told("site", site.recipient_id, site.name, after),
        organization_id=site.organization_id,
        recipient_id=site.recipient_id,
    )


def _told(kind: Literal["printer", "site"], identity: str, name: str, after: Presence) -> dict[str, Any]:
    """What a notice of either says; its id follows from since when it is so."""
    since = after.since or datetime.min.replace(tzinfo=UTC)
    shown = since.strftime("%Y-%m-%d %H:%M UTC")
    lost = after.status == "offline"
    whose = "it" if kind == "printer" else "its agent"
    return {
        "event_type": f"{kind}_{after.status}",
        "event_id": f"{kind}_{after.status}:{identity}:{since.isoformat()}",
        "occurred_at": since,
        "title": f"{name} is {after.status}" + ("" if lost else " again"),
        "text": f"Nothing was heard of {whose} since {shown}." if lost else f"It has been back since {shown}.",
        "severity": "warning" if lost else "info",
        "subject": f"{kind}:{identity}",
    }
