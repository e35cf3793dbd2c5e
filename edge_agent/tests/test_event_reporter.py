"""Events from programs beside the agent, against a cloud on this machine."""

import time
import unittest
from collections.abc import Mapping
from typing import Any

from edge_agent.config import Timing
from edge_agent.event_reporter import EventReporter
from edge_agent.tests.listening_cloud import UNAUTHORIZED, UNAVAILABLE, ListeningCloud, listening_cloud

LOGGER = "edge_agent.event_reporter"
QUICK = Timing(http_timeout=5.0, retry_first=0.01, retry_ceiling=0.05)
IMPATIENT = Timing(http_timeout=0.2, retry_first=0.01, retry_ceiling=0.05)
JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
PRINTER: Mapping[str, Any] = {"printer_serial": "01P00A123", "printer_ip": "192.168.1.100"}


class EventReporterTest(unittest.TestCase):
    """Each test has a cloud and a reporter of its own."""

    def setUp(self) -> None:
        self.cloud: ListeningCloud = self.enterContext(listening_cloud())
        self.reporter = self.reporter_of(QUICK)

    def reporter_of(self, timing: Timing) -> EventReporter:
        """A reporter to this cloud, which ends with the test."""
        reporter = EventReporter(self.cloud.url, "secret-key", "site-1", timing=timing)
        self.addCleanup(reporter.close, 1.0)
        return reporter

    def test_a_started_job_arrives_with_its_printer_and_file(self) -> None:
        event_id = self.reporter.report_job_started(**PRINTER, print_job_id="job-1", file_name="model.3mf")
        assert self.reporter.flush()
        (event,) = self.cloud.events
        assert event["eventId"] == event_id
        assert event["recipientId"] == "site-1"
        assert event["printerSerial"] == "01P00A123"
        assert event["printerIpAddress"] == "192.168.1.100"
        assert event["eventType"] == "job_started"
        assert event["eventStatus"] == "info"
        assert event["printJobId"] == "job-1"
        assert event["statusData"] == {"fileName": "model.3mf"}
        assert event["occurredAt"].endswith("Z")
        assert self.cloud.requests[0].key == "secret-key"

    def test_a_job_ends_well_or_badly(self) -> None:
        self.reporter.report_job_completed(**PRINTER, print_job_id="job-1", file_name="model.3mf")
        self.reporter.report_job_failed(**PRINTER, print_job_id="job-2", error_message="heater malfunction")
        assert self.reporter.flush()
        completed, failed = self.cloud.events
        assert (completed["eventType"], completed["eventStatus"]) == ("job_completed", "success")
        assert (failed["eventType"], failed["eventStatus"]) == ("job_failed", "failed")
        assert failed["message"] == "heater malfunction"
        assert failed["errorData"] == {"errorMessage": "heater malfunction"}

    def test_the_picture_of_an_hms_error_follows_it(self) -> None:
        data = {"description": "Hotbed heating abnormal", "severity": "critical", "module": "hotbed"}
        code = "0300_0300_0002_0003"
        self.reporter.report_hms_error(**PRINTER, hms_code=code, error_data=data, image_data=JPEG)
        assert self.reporter.flush()
        event, picture = self.cloud.requests
        assert event.body["errorData"] == {"hmsCode": code, **data}
        assert event.body["message"] == "Hotbed heating abnormal"
        assert picture.path == "/api/printer-events/stored-1/upload-image"
        assert picture.kind.startswith("multipart/form-data")
        assert JPEG in picture.content
        assert b'name="image"' in picture.content

    def test_an_event_of_ones_own_kind(self) -> None:
        event_id = self.reporter.report_event(
            event_type="custom_event", **PRINTER, event_status="info", message="Custom event message"
        )
        assert event_id
        assert self.reporter.flush()
        assert [event["message"] for event in self.cloud.events] == ["Custom event message"]

    def test_reporting_does_not_wait_for_the_cloud(self) -> None:
        self.cloud.answering.clear()
        began = time.monotonic()
        for number in range(20):
            assert self.reporter.report_event("test_event", **PRINTER, message=str(number))
        assert time.monotonic() - began < 1.0
        self.cloud.answering.set()
        assert self.reporter.flush()
        assert [event["message"] for event in self.cloud.events] == [str(number) for number in range(20)]

    def test_what_the_cloud_fails_on_is_sent_again_as_the_same_event(self) -> None:
        self.cloud.first.extend([UNAVAILABLE, UNAVAILABLE])
        with self.assertLogs(LOGGER) as logs:
            event_id = self.reporter.report_event("test_event", **PRINTER)
            assert self.reporter.flush()
        assert [event["eventId"] for event in self.cloud.events] == [event_id] * 3
        assert [record.getMessage() for record in logs.records] == ["Failed to report event: 503 Service Unavailable"]

    def test_a_wrong_key_is_said_and_not_tried_again(self) -> None:
        self.cloud.first.append(UNAUTHORIZED)
        with self.assertLogs(LOGGER) as logs:
            self.reporter.report_event("test_event", **PRINTER)
            assert self.reporter.flush()
        assert [record.getMessage() for record in logs.records] == ["Failed to report event: 401 Unauthorized"]
        assert len(self.cloud.events) == 1

    def test_a_cloud_that_does_not_answer_is_a_timeout(self) -> None:
        self.cloud.answering.clear()
        reporter = self.reporter_of(IMPATIENT)
        with self.assertLogs(LOGGER) as logs:
            reporter.report_event("test_event", **PRINTER)
            assert reporter.flush()
        assert {record.getMessage() for record in logs.records} == {"Failed to report event: Connection timeout"}

    def test_what_is_missing_is_named_and_nothing_is_reported(self) -> None:
        with self.assertLogs(LOGGER) as logs:
            reporter = EventReporter(None, None, None)
            EventReporter(self.cloud.url, "", "site-1")
        assert [record.getMessage() for record in logs.records] == [
            "Event reporting not configured (missing from config: backend_url, api_key, recipient_id)",
            "Event reporting not configured (missing from config: api_key)",
        ]
        assert reporter.report_event("test_event", **PRINTER) is None
        assert reporter.flush(0.0)
        assert not reporter.is_enabled

    def test_the_end_sends_what_waits_and_takes_no_more(self) -> None:
        for _ in range(5):
            self.reporter.report_event("test_event", **PRINTER)
        assert self.reporter.close()
        assert len(self.cloud.events) == 5
        with self.assertLogs(LOGGER):
            assert self.reporter.report_event("test_event", **PRINTER) is None

    def test_the_end_does_not_wait_for_a_cloud_that_is_away(self) -> None:
        self.cloud.answering.clear()
        reporter = self.reporter_of(QUICK)
        reporter.report_event("test_event", **PRINTER)
        began = time.monotonic()
        assert not reporter.close(0.3)
        assert time.monotonic() - began < 2.0


if __name__ == "__main__":
    unittest.main()
