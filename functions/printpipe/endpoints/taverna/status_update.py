"""POST /api/status/update: how a print goes on."""

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from printpipe.dialects import taverna
from printpipe.domain.errors import InvalidInput
from printpipe.domain.values import Id, Text
from printpipe.endpoints import taverna_views
from printpipe.endpoints.call import Call
from printpipe.endpoints.taverna_views import Details, Metrics, Number, Percent
from printpipe.services.jobs import tracking
from printpipe.services.jobs.tracking import News

_TOLD: list[JsonValue] = [
    {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
    for name in ("status", "progress", "message", "metrics")
]


class Request(taverna.Model):
    """The body: at least one of status, progress, message and metrics."""

    model_config = ConfigDict(json_schema_extra={"allOf": [{"anyOf": _TOLD}]})

    api_key: str = Field(min_length=1, max_length=1024, repr=False, exclude=True)
    printer_id: Id
    print_status_id: Number
    status: taverna.Word | None = None
    progress: Percent | None = None
    message: Text | None = None
    metrics: Metrics | None = None

    def news(self) -> News:
        """What is told. Raises `InvalidInput` where that is nothing."""
        if self.status is None and self.progress is None and self.message is None and self.metrics is None:
            raise InvalidInput("informe ao menos um destes: status, progress, message, metrics", field="status")
        counted = self.metrics.counted() if self.metrics else {}
        return News(
            status=taverna.STATUSES[self.status] if self.status else None,
            progress=counted if self.progress is None else {**counted, "percent": self.progress},
            message=self.message,
            metrics=self.metrics.measured() if self.metrics else None,
        )


class Updated(taverna.Reply):
    """The print as it stands now."""

    success: Literal[True] = True
    message: str = "Status atualizado com sucesso"
    current_status: Details


def post(call: Call, body: Request) -> Updated:
    """The same state again, or none, changes the rest alone; another end than the one that stands is refused."""
    job = tracking.update(call.context, body.printer_id, body.print_status_id, body.news())
    return Updated(current_status=taverna_views.details(call.context, job, body.printer_id))
