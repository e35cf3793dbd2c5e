"""GET /docs: what the API offers, as a page to read."""

from functools import cache

from printpipe.dialects.exchange import Page
from printpipe.endpoints import document_page
from printpipe.endpoints.call import Call
from printpipe.endpoints.document import document


def get(call: Call) -> Page:
    """Shows the page."""
    headers = {"Cache-Control": "public, max-age=300", **document_page.HEADERS}
    return Page(_page(call.context.policy.public_base_url), headers=headers)


@cache
def _page(base_url: str | None) -> str:
    return document_page.render(document(base_url))
