"""Print jobs through the management API, and the printers and the agent that carry them out."""

import secrets
from typing import Any

import requests

from tests.cloud import Cloud, Site

PRODUCT = "PROD-55"
AGENT = "agent-1"
LOADED = [{"slot": 0, "type": "PLA", "color": "#2FA36B"}]

Json = dict[str, Any]


class Desk:
    """A member of an organization at work; `agent` and `printer` are the other side."""

    def __init__(self, cloud: Cloud, site: Site, role: str = "operator", user: str = "user-1") -> None:
        self.cloud, self.site = cloud, site
        self.token = cloud.token(site.organization, role, user)

    def call(
        self, method: str, path: str = "", body: Json | None = None, key: str | None = None, **query: Any
    ) -> requests.Response:
        """One call; `key` is an idempotency key."""
        headers = {"Idempotency-Key": key} if key else None
        where = f"/api/print-jobs{path}"
        return self.cloud.call(method, where, token=self.token, json=body, params=query, headers=headers)

    def order(self, key: str | None = None, **wish: Any) -> Json:
        """A new job of the product, or of whatever is wished for."""
        return self._done(self.call("POST", body={"product_id": PRODUCT, **wish}, key=key), 201)

    def show(self, job: str) -> Json:
        return self._done(self.call("GET", f"/{job}"))

    def send(self, job: str, **wish: Any) -> Json:
        return self._done(self.call("POST", f"/{job}/send", wish or None))

    def cancel(self, job: str, **more: Any) -> Json:
        return self._done(self.call("POST", f"/{job}/cancel", more or None))

    def tell(self, job: str, **said: Any) -> Json:
        return self._done(self.call("PUT", f"/{job}/status", said))

    def listed(self, **query: Any) -> list[str]:
        """The ids of a page."""
        return [each["id"] for each in self._done(self.call("GET", **query))["print_jobs"]]

    def printer(self, recipient: str | None = None, **fields: Any) -> Json:
        """A printer that suits the sample file, idle and heard of."""
        site, serial = recipient or self.site.agent_recipient, f"01P{secrets.token_hex(6).upper()}"
        entry = {"recipient_id": site, "name": serial, "serial": serial, "brand": "Bambu Lab", "model": "P1S", **fields}
        entered = self._done(self.cloud.call("POST", "/api/printers", token=self.token, json=entry), 201)
        self.report(entered, state="idle")
        return entered

    def report(self, printer: Json, **status: Any) -> None:
        """The printer reports; unless it says otherwise, what suits the sample file is loaded."""
        shown = {"loadedFilaments": LOADED, **status}
        body = {"recipientId": printer["recipient_id"], "printerSerial": printer["serial"], "status": shown}
        self._done(self.cloud.call("POST", "/printer-status", key=self.site.organization_key, json=body))

    def clear(self, printer: Json) -> None:
        """Somebody clears the printer's plate; the printer has said by then that it is idle."""
        self.report(printer, state="idle")
        path = f"/api/printers/{printer['id']}"
        self._done(self.cloud.call("PUT", path, token=self.token, json={"plate_cleared": True}))

    def claim(self) -> list[Json]:
        """What our agent is given."""
        path = f"/control?recipientId={self.site.agent_recipient}&claim=true&agentId={AGENT}"
        given: list[Json] = self._done(self.cloud.call("GET", path, key=self.site.agent_key))["commands"]
        return given

    def carry_out(self, command: Json, status: str = "completed") -> None:
        """Our agent's result."""
        result = {"recipientId": self.site.agent_recipient, "commandId": command["commandId"], "status": status}
        body = {**result, "agentId": AGENT, "fence": command["fence"]}
        self._done(self.cloud.call("POST", "/control/result", key=self.site.agent_key, json=body))

    def event(self, job: str, kind: str, recipient: str | None = None) -> None:
        """An event of the job's printer."""
        site, runs = recipient or self.site.agent_recipient, self.show(job)["runs"]
        serial = (runs[-1]["printer_serial"] if runs else None) or "S1"
        body = {"recipientId": site, "printerSerial": serial, "eventType": kind, "eventStatus": "info"}
        told = {**body, "printJobId": job}
        self._done(
            self.cloud.call("POST", "/api/printer-events/report", key=self.site.organization_key, json=told), 201
        )

    def starts(self, job: str, kind: str = "start_print") -> list[Json]:
        """The commands of that kind for the job, the first in front."""
        found = [
            dict(each.data)
            for recipient in (self.site.agent_recipient, self.site.lan_recipient)
            for each in self.cloud.documents("printer_commands", recipient)
            if each.data["jobId"] == job and each.data["type"] == kind
        ]
        return sorted(found, key=lambda each: int(each["sequence"]))

    @staticmethod
    def _done(answer: requests.Response, status: int = 200) -> Json:
        assert answer.status_code == status, answer.text
        body: Json = answer.json()
        return body


def refused(answer: requests.Response, status: int) -> str:
    """Why; the answer's only field."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["error"]
    return str(body["error"])
