"""Examines the way to the cloud: the address, the clock, the key, and Pub/Sub."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import urllib3
from urllib3.exceptions import HTTPError

from edge_agent import routes
from edge_agent.cli.findings import Finding
from edge_agent.cloud import Cloud, CloudError, CloudRefused, CloudUnavailable
from edge_agent.config import AgentConfig, PubSubConfig
from edge_agent.intake.credentials import GoogleCredentials
from edge_agent.intake.pubsub import GOOGLE
from edge_agent.timestamps import utc_now

NETWORK_ADVICE = "Check the network, and backend_url."
KEY_ADVICE = "Check api_key and recipient_id, or enroll this site anew."
GOOGLE_ADVICE = 'Install printpipe-agent[pubsub] and give this machine credentials, or set "credentials": "cloud".'
LATE_SECONDS = 5.0
"""A clock that is wrong by so much is worth a word; a Date header has whole seconds."""
REFUSED = frozenset({401, 403})


def examine_cloud(settings: AgentConfig) -> Iterator[Finding]:
    """Whether it answers, how this machine's clock differs from its, and whether it takes the key."""
    url = routes.address(settings.backend_url, settings.routing, "GET", "/health")
    try:
        response = _get(url, settings.timing.http_timeout)
    except (HTTPError, OSError) as error:
        yield Finding("fail", "cloud", f"{url}: {type(error).__name__}", NETWORK_ADVICE)
        return
    if response.status != 200:
        yield Finding("fail", "cloud", f"{url} answers {response.status}", NETWORK_ADVICE)
    else:
        yield Finding("ok", "cloud", f"{url} answers")
    date = response.headers.get("Date")
    if date is not None:
        yield _clock(date, settings.timing.clock_skew)
    yield from _key(settings)


def examine_pubsub(settings: AgentConfig) -> Iterator[Finding]:
    """Whether it answers and there are credentials for it; nothing is pulled."""
    pubsub = settings.pubsub
    if pubsub is None:
        yield Finding("ok", "pub/sub", "is not configured; commands come by HTTPS alone")
        return
    endpoint = pubsub.endpoint or GOOGLE
    try:
        _get(endpoint, settings.timing.http_timeout)
    except (HTTPError, OSError) as error:
        advice = 'Where the network blocks it, leave "pubsub" out: commands then come by HTTPS alone.'
        yield Finding("fail", "pub/sub", f"{endpoint}: {type(error).__name__}", advice)
        return
    yield Finding("ok", "pub/sub", f"{endpoint} answers")
    if pubsub.endpoint is None or pubsub.credentials == "cloud":
        yield _credentials(settings, pubsub)


def _key(settings: AgentConfig) -> Iterator[Finding]:
    cloud = Cloud(settings, "")
    try:
        known = cloud.printers()
    except CloudUnavailable as error:
        if error.status in REFUSED:
            yield Finding("fail", "api key", f"the cloud refuses it ({error.status})", KEY_ADVICE)
        else:
            yield Finding("fail", "api key", f"could not be tried: {error}", NETWORK_ADVICE)
        return
    except CloudRefused as error:
        yield Finding("fail", "api key", f"the cloud refuses {settings.recipient_id}: {error}", KEY_ADVICE)
        return
    finally:
        cloud.close()
    yield Finding("ok", "api key", f"is taken for {settings.recipient_id}")
    listed = {printer.serial for printer in settings.printers}
    missing = sorted(each.printer_serial for each in known if each.printer_serial and each.printer_serial not in listed)
    if missing:
        advice = "printpipe-agent add-printer, where they are printers of this site."
        yield Finding("warn", "printers", f"the cloud also knows {', '.join(missing)}", advice)


def _clock(date: str, limit: float) -> Finding:
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return Finding("warn", "clock", "the cloud's time cannot be read")
    told = told.replace(tzinfo=UTC) if told.tzinfo is None else told
    return _compared(utc_now(), told, limit)


def _compared(here: datetime, there: datetime, limit: float) -> Finding:
    skew = (here - there).total_seconds()
    text = f"differs from the cloud's by {abs(skew):.0f} s"
    advice = "Set it: timedatectl set-ntp true."
    if abs(skew) > limit:
        return Finding("fail", "clock", text, f"Nothing that moves or heats is carried out meanwhile. {advice}")
    return Finding("warn", "clock", text, advice) if abs(skew) > LATE_SECONDS else Finding("ok", "clock", text)


def _credentials(settings: AgentConfig, pubsub: PubSubConfig) -> Finding:
    try:
        if pubsub.credentials == "cloud":
            text = f"the cloud gives a token, good until {_token_end(settings):%H:%M} UTC"
        else:
            GoogleCredentials().headers()
            text = "Google's default credentials"
    except CloudError as error:
        return Finding("fail", "pub/sub key", f"the cloud gives no token: {error}", KEY_ADVICE)
    except Exception as error:  # Google's client is optional, and raises what it likes
        return Finding("fail", "pub/sub key", f"Google's default credentials: {error}", GOOGLE_ADVICE)
    return Finding("ok", "pub/sub key", text)


def _token_end(settings: AgentConfig) -> datetime:
    cloud = Cloud(settings, "")
    try:
        return cloud.pubsub_token()[1]
    finally:
        cloud.close()


def _get(url: str, seconds: float) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("GET", url, timeout=urllib3.Timeout(connect=min(5.0, seconds), read=seconds))
