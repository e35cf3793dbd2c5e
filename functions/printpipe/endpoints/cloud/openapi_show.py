"""GET /openapi.json: what the API offers, as an OpenAPI 3.1 document."""

from printpipe.dialects.exchange import Answer
from printpipe.endpoints.call import Call
from printpipe.endpoints.document import document


def get(call: Call) -> Answer:
    """Shows the document."""
    return Answer(document(call.context.policy.public_base_url), headers={"Cache-Control": "public, max-age=300"})
