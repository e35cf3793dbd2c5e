"""Every example of the printed description of Taverna's status API, run as it stands there.

Host, ids and dates aside.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from printpipe.domain.ports.documents import Delete
from tests.cloud import Cloud, Site, key_document
from tests.contract.described import curl

ONE_BACKEND_AT_REDUCED_COUNTS = True

KEY, PRINTER, QUEUED = "sua_chave_api", "PRINTER001", 123
LISTED = {
    "print_status_id": 456,
    "status": "printing",
    "formatted_status": "Imprimindo",
    "progress_percentage": 25.5,
    "product_id": 789,
    "product_name": "Miniatura de Dragão",
    "model_file": "dragon.stl",
    "order_id": 123,
    "started_at": "2025-03-31 09:45:00",
    "last_updated": "2025-03-31 10:15:00",
}
START = r"""curl -X POST https://tavernadaimpressao.com.br/api/status/start \
  -H "Content-Type: application/json" \
  -d '{
    "api_key": "sua_chave_api",
    "printer_id": "PRINTER001",
    "print_queue_id": 123
  }'"""
PROGRESS = r"""curl -X POST https://tavernadaimpressao.com.br/api/status/update \
  -H "Content-Type: application/json" \
  -d '{
    "api_key": "sua_chave_api",
    "printer_id": "PRINTER001",
    "print_status_id": 456,
    "progress": 50.2,
    "metrics": {
      "current_layer": 100,
      "total_layers": 200,
      "hotend_temp": 210.5,
      "bed_temp": 60.2
    }
  }'"""
COMPLETED = r"""curl -X POST https://tavernadaimpressao.com.br/api/status/update \
  -H "Content-Type: application/json" \
  -d '{
    "api_key": "sua_chave_api",
    "printer_id": "PRINTER001",
    "print_status_id": 456,
    "status": "completed",
    "progress": 100,
    "message": "Impressão concluída com sucesso!"
  }'"""


@dataclass(frozen=True)
class Tavern:
    """The shop as it is described: its key, and a printer that its people call so."""

    cloud: Cloud
    site: Site

    def curl(self, line: str, number: int | None = None) -> dict[str, Any]:
        """What a line of the description is answered."""
        found = {} if number is None else {'"print_status_id": 456': f'"print_status_id": {number}'}
        answer = curl(self.cloud, line, found)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture(scope="module")
def tavern(cloud: Cloud) -> Iterator[Tavern]:
    site = cloud.new_site()
    written = key_document(KEY, site.organization, None, ["*"])
    cloud.backend.documents.commit(Delete(written.path))
    cloud.backend.documents.commit(written)
    token = cloud.token(site.organization)
    entry = {"recipient_id": site.lan_recipient, "serial": PRINTER, "name": PRINTER}
    assert cloud.call("POST", "/api/printers", token=token, json=entry).status_code == 201
    yield Tavern(cloud, site)
    cloud.backend.documents.commit(Delete(written.path))


def test_the_three_lines_run_one_after_the_other(tavern: Tavern) -> None:
    started = tavern.curl(START)
    number = started.pop("print_status_id")
    assert isinstance(number, int)
    assert started == {"success": True, "message": "Status de impressão criado com sucesso"}
    for line, progress in ((PROGRESS, 50.2), (COMPLETED, 100.0)):
        told = tavern.curl(line, number)
        assert (told["success"], told["message"]) == (True, "Status atualizado com sucesso")
        assert (told["current_status"]["id"], told["current_status"]["progress_percentage"]) == (number, progress)
    assert told["current_status"]["status"] == "completed"


def test_the_answers_hold_what_is_described(tavern: Tavern) -> None:
    more = {"product_id": 789, "product_name": "Miniatura de Dragão", "model_file": "dragon.stl"}
    body = {"api_key": KEY, "printer_id": PRINTER, "print_queue_id": QUEUED + 1, **more}
    number = tavern.cloud.call("POST", "/api/status/start", json=body).json()["print_status_id"]
    update = {
        "api_key": KEY,
        "printer_id": PRINTER,
        "print_status_id": number,
        "status": "printing",
        "progress": 25.5,
        "message": "Camada 50 de 200 concluída",
        "metrics": {
            "hotend_temp": 210.5,
            "bed_temp": 60.2,
            "speed_percentage": 100,
            "fan_speed_percentage": 80,
            "layer_height": 0.2,
            "current_layer": 50,
            "total_layers": 200,
            "filament_used_mm": 1250.5,
            "print_time_remaining_seconds": 3600,
        },
    }
    told = tavern.cloud.call("POST", "/api/status/update", json=update).json()["current_status"]
    assert told["metrics"] == update["metrics"]
    query = {"api_key": KEY, "printer_id": PRINTER}
    shown = tavern.cloud.call("GET", f"/api/status/{number}", params=query).json()
    described = {
        "id": 456,
        "status": "printing",
        "progress_percentage": 25.5,
        "started_at": "2025-03-31 09:45:00",
        "estimated_completion": "2025-03-31 12:45:00",
    }
    for answer in (told, shown, tavern.cloud.call("GET", f"/api/status/{number}").json()):
        assert {name: type(answer[name]) for name in described} == {
            name: type(each) for name, each in described.items()
        }
        assert (answer["id"], answer["status"], answer["progress_percentage"]) == (number, "printing", 25.5)
    path = f"/api/status/printer/{PRINTER}"
    listing = tavern.cloud.call("GET", path, params={"api_key": KEY}).json()
    (job,) = listing.pop("jobs")
    assert listing == {"printer_id": PRINTER, "active_jobs_count": 1}
    aside = {
        "print_status_id": number,
        "order_id": QUEUED + 1,
        "started_at": job["started_at"],
        "last_updated": job["last_updated"],
    }
    assert job == {**LISTED, **aside}
    assert [type(each) for each in job.values()] == [type(each) for each in LISTED.values()]
    datetime.strptime(job["started_at"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
