"""Downloads: a file is fetched, verified and kept, so that a later start finds it here. No printer takes part."""

from edge_agent.command import Outcome, completed
from edge_agent.execution import Run


def download(run: Run) -> Outcome:
    """Carry out the run's command; raises Refused, Dropped and Halted as the run does."""
    local, offer = run.file()
    return completed(f"{offer.file_name} is here: {local.size} bytes, sha256 {offer.sha256}")
