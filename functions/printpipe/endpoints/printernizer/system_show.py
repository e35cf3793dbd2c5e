"""GET /api/v1/system/info: how the backend is set up for an organization, and how much it holds."""

from typing import Literal

from pydantic import Field

from printpipe.dialects import printernizer
from printpipe.endpoints.call import Call
from printpipe.services import inventory
from printpipe.services.health import VERSION


class Arguments(printernizer.Model):
    """The query."""


class System(printernizer.Part):
    """The backend itself."""

    version: str = VERSION
    timezone: str = Field(description="in which the organization's days begin")
    language: Literal["en"] = "en"
    business_mode: Literal[True] = True


class Database(printernizer.Part):
    """What it holds at the caller's sites; of each kind up to 100,000 are counted."""

    type: Literal["firestore", "sqlite"]
    jobs_count: int
    files_count: int
    printers_count: int


class Features(printernizer.Part):
    """What it can do."""

    job_monitoring: Literal[True] = True
    file_management: Literal[True] = True
    business_analytics: Literal[True] = True
    preview_system: Literal[True] = True


class Information(printernizer.Reply):
    """All of it."""

    system: System
    database: Database
    features: Features = Features()


def get(call: Call, query: Arguments) -> Information:
    """Counts what the caller may see."""
    found, store = inventory.take(call.context), call.context.policy.document_store
    counted = Database(type=store, jobs_count=found.jobs, files_count=found.files, printers_count=found.printers)
    return Information(system=System(timezone=found.time_zone), database=counted)
