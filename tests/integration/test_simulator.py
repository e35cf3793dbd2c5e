"""The simulated printers over MQTT, with the client that real ones are used with: paho-mqtt."""

import contextlib
import socket
import ssl
import time

import pytest

from local.sample_print import make_3mf
from local.simulator.farm import Farm, SimulatedPrinter
from tests.integration.simulated_printers import control, eventually, farm, in_state, p1s, printer, x1c
from tests.unit.simulator.clients import PATIENCE, Client, Frame, trusting, upload

__all__ = ["farm", "p1s", "printer", "x1c"]


class TestConnection:
    def test_tls_is_1_2_and_the_certificate_names_the_serial_alone(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s) as client:
            assert client.connected == ["Success"]
            assert client.tls_version == "TLSv1.2"
        for name in ("01P00A999999999", p1s.host):
            raw = socket.create_connection((p1s.host, p1s.mqtt_port))
            with raw, pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
                trusting(p1s).wrap_socket(raw, server_hostname=name)

    def test_serials_tell_the_model_and_keys_are_private(self, farm: Farm) -> None:
        assert [printer.serial[:3] for printer in farm.printers] == ["01P", "00M"]
        ca = farm.printers[0].ca_file.parent
        private = [path for path in ca.iterdir() if "PRIVATE KEY" in path.read_text()]
        assert len(private) == 3
        assert {path.stat().st_mode & 0o777 for path in private} == {0o600}

    def test_a_wrong_access_code_is_refused(self, printer: SimulatedPrinter) -> None:
        with Client(printer, password="wrong") as client:
            client.until(lambda: client.disconnects)
        assert client.connected[0] in ("Not authorized", "Bad user name or password")
        printer.set_faults(refuse_password=True)
        with Client(printer) as client:
            assert client.connected[0] != "Success"

    def test_the_wrong_case_of_the_serial_subscribes_to_nothing(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s, topic=f"device/{p1s.serial.lower()}/report") as wrong, Client(p1s) as right:
            right.ask("pushing", "pushall")
            right.until(lambda: len(right.messages) > 5)
            assert (wrong.messages, wrong.disconnects) == ([], 0)

    @pytest.mark.parametrize("topic", ["device/{serial}/request", "#", "device/+/report"])
    def test_other_topics_reset_the_connection(self, p1s: SimulatedPrinter, topic: str) -> None:
        with Client(p1s, topic=topic.format(serial=p1s.serial)) as client:
            client.until(lambda: client.disconnects)
        assert client.messages == []

    def test_one_client_more_than_there_are_slots_is_cut_off(self, p1s: SimulatedPrinter) -> None:
        with contextlib.ExitStack() as clients:
            admitted = [clients.enter_context(Client(p1s)) for _ in range(4)]
            refused = clients.enter_context(Client(p1s))
            refused.until(lambda: refused.disconnects)
            assert refused.connected == []
            assert all(client.disconnects == 0 for client in admitted)
        eventually(lambda: p1s.inspect()["clients"] == 0)

    def test_quality_1_is_acknowledged_and_both_are_obeyed(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s) as client:
            number = client.ask("print", "gcode_line", param="M104 S200\n", qos=1)
            client.until(lambda: number in client.acknowledged)
            client.ask("print", "gcode_line", sequence_id="30002", param="M140 S60\n", qos=0)
            client.reply("gcode_line", "30002")
        seen = p1s.inspect()
        assert (seen["nozzle_target"], seen["bed_target"]) == (200, 60)
        assert [(c["section"], c["command"], c["sequence_id"], c["result"]) for c in seen["commands"]] == [
            ("print", "gcode_line", "30001", "success"),
            ("print", "gcode_line", "30002", "success"),
        ]

    def test_a_client_that_is_quiet_for_longer_than_its_keepalive_is_dropped(self, p1s: SimulatedPrinter) -> None:
        raw = socket.create_connection((p1s.host, p1s.mqtt_port))
        with trusting(p1s).wrap_socket(raw, server_hostname=p1s.serial) as quiet:
            quiet.settimeout(PATIENCE)
            fields = b"".join(len(text).to_bytes(2) + text for text in (b"quiet", b"bblp", p1s.access_code.encode()))
            body = b"\x00\x04MQTT\x04\xc2\x00\x01" + fields
            quiet.sendall(bytes((0x10, len(body))) + body)
            assert quiet.recv(4) == b"\x20\x02\x00\x00"
            began = time.monotonic()
            assert quiet.recv(1) == b""
            assert 1.0 < time.monotonic() - began < 5.0

    def test_nonsense_does_no_harm(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s) as client:
            for nonsense in (b"", b"\xff\xfe", b"[1]", b'{"print": 1}', b'{"print": {}}', b"[" * 5000):
                client.mqtt.publish(f"device/{p1s.serial}/request", nonsense)
            client.ask("info", "get_version")
            assert client.reply("get_version")["module"][0]["product_name"] == "Bambu Lab P1S"
            assert client.disconnects == 0


class TestReports:
    def test_p1s_sends_everything_on_connect_and_then_what_changed(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s) as client:
            client.until(lambda: len(client.reports()) > 8)
            full = [report for report in client.reports() if report["msg"] == 0]
            deltas = [report for report in client.reports() if report["msg"] == 1]
            assert client.reports()[0]["msg"] == 0
            assert len(full) == 1
            assert len(deltas) > 5
            assert max(len(delta) for delta in deltas) < 10 < len(full[0])
            client.ask("pushing", "pushall", version=1, push_target=1)
            client.until(lambda: sum(report["msg"] == 0 for report in client.reports()) == 2)

    def test_x1c_sends_nearly_everything_every_time(self, x1c: SimulatedPrinter) -> None:
        with Client(x1c) as client:
            client.until(lambda: len(client.reports()) > 8)
            assert all({"gcode_state", "nozzle_temper", "ams", "hms"} <= report.keys() for report in client.reports())
            assert {report.get("msg") for report in client.reports()} == {0, None}

    @pytest.mark.parametrize(("model", "interval"), [("P1S", 1.0), ("X1C", 1.2)])
    def test_the_pace_in_real_time(self, farm: Farm, model: str, interval: float) -> None:
        printer = next(printer for printer in farm.printers if printer.model == model)
        printer.set_speed(1)
        with Client(printer) as client:
            client.until(lambda: len(client.reports()) >= 3)
            began, seen = time.monotonic(), len(client.reports())
            client.until(lambda: len(client.reports()) >= seen + 2)
            assert 1.9 * interval < time.monotonic() - began < 4 * interval

    def test_frames_are_never_closer_than_50_ms(self, p1s: SimulatedPrinter) -> None:
        p1s.set_speed(100_000)
        with Client(p1s) as client:
            client.until(lambda: len(client.reports()) >= 2)
            began, seen = time.monotonic(), len(client.reports())
            client.until(lambda: len(client.reports()) >= seen + 10)
            assert time.monotonic() - began > 0.4

    def test_hms_and_errors_on_demand(self, farm: Farm, printer: SimulatedPrinter) -> None:
        entries = [{"attr": 0x0C000100, "code": 0x00010001}]
        with Client(printer) as client:
            control(farm, printer, "hms", {"entries": entries, "print_error": 0x05004003})
            client.wait(lambda m: m.get("hms") == entries and m.get("print_error") == 0x05004003)
            client.messages.clear()
            control(farm, printer, "hms", {"entries": [], "print_error": 0})
            client.wait(lambda m: m.get("hms") == [] and m.get("print_error") == 0)


class TestPrinting:
    def test_a_print_from_upload_to_finish(self, printer: SimulatedPrinter) -> None:
        content = make_3mf("cube", layers=6, seconds=300, plates=2)
        upload(printer, content)
        with Client(printer) as client:
            client.wait(lambda m: m.get("msg") == 0)
            client.start(plate=2, sequence_id="30777")
            assert client.reply("project_file", "30777")["result"].lower() == "success"
            client.wait(lambda m: m.get("gcode_state") == "FINISH")
            layers = [report["layer_num"] for report in client.reports() if "layer_num" in report]
            percents = [report["mc_percent"] for report in client.reports() if "mc_percent" in report]
            states = client.states()
        before_running = ["IDLE", "PREPARE"] if printer.model == "P1S" else ["IDLE"]
        assert states == [*before_running, "RUNNING", "FINISH"]
        assert layers == sorted(layers)
        assert set(layers) == set(range(7))
        assert percents == sorted(percents)
        assert (percents[0], percents[-1]) == (0, 100)
        seen = printer.inspect()
        assert (seen["gcode_state"], seen["percent"], seen["layer"], seen["total_layers"]) == ("FINISH", 100, 6, 6)
        assert [
            (start["subtask_name"], start["file"], start["plate"], start["sequence_id"]) for start in seen["starts"]
        ] == [("cube", "cube.gcode.3mf", 2, "30777")]

    def test_p1s_sends_an_idle_frame_right_after_the_acknowledgement(self, p1s: SimulatedPrinter) -> None:
        upload(p1s, make_3mf("cube", seconds=60))
        p1s.set_speed(20)
        with Client(p1s) as client:
            client.start(subtask_name="my cube")
            ack = client.reply("project_file")
            client.wait(lambda m: m.get("gcode_state") == "PREPARE")
            after = client.bodies()[client.bodies().index(ack) + 1]
        assert (ack["subtask_name"], ack["url"]) == ("my_cube", "ftp:///cube.gcode.3mf")
        assert (after["msg"], after["gcode_state"], after["subtask_name"]) == (0, "IDLE", "my_cube")

    def test_x1c_shows_stale_numbers_after_a_start(self, x1c: SimulatedPrinter) -> None:
        upload(x1c, make_3mf("cube", layers=9, seconds=60))
        upload(x1c, make_3mf("cube", layers=4, seconds=60), "second.gcode.3mf")
        with Client(x1c) as client:
            client.start()
            client.wait(lambda m: m.get("gcode_state") == "FINISH")
            x1c.set_speed(5)
            client.start("second.gcode.3mf", subtask_name="second", sequence_id="30002")
            client.reply("project_file", "30002")
            client.wait(lambda m: m.get("subtask_name") == "second" and m.get("gcode_state") == "RUNNING")
            client.wait(lambda m: m.get("subtask_name") == "second" and m.get("layer_num") == 0)
            second = [report for report in client.reports() if report["subtask_name"] == "second"]
        shown = [(r["gcode_state"], r["mc_percent"], r["layer_num"], r["total_layer_num"]) for r in second]
        assert list(dict.fromkeys(shown)) == [("FINISH", 100, 9, 9), ("RUNNING", 0, 9, 4), ("RUNNING", 0, 0, 4)]

    def test_pause_resume_and_stop(self, printer: SimulatedPrinter) -> None:
        upload(printer, make_3mf("cube", seconds=36_000))
        with Client(printer) as client:
            client.start()
            client.wait(lambda m: m.get("gcode_state") == "RUNNING")
            for number, (command, state) in enumerate([("pause", "PAUSE"), ("resume", "RUNNING"), ("stop", "FAILED")]):
                client.ask("print", command, param="", sequence_id=str(31000 + number))
                assert client.reply(command, str(31000 + number))["result"].lower() == "success"
                client.until(lambda state=state: client.states()[-1] == state)  # type: ignore[misc]
            client.wait(lambda m: m.get("print_error") == 50348044)
            client.until(lambda: client.reports()[-1].get("print_error", 50348044) == 0)
            failed = next(r for r in client.reports() if r.get("gcode_state") == "FAILED")
        assert failed["print_error"] == 0
        assert printer.inspect()["gcode_state"] == "FAILED"

    def test_the_late_error_takes_as_long_as_recorded(self, x1c: SimulatedPrinter) -> None:
        upload(x1c, make_3mf("cube", seconds=36_000))
        with Client(x1c) as client:
            client.start()
            client.wait(lambda m: m.get("gcode_state") == "RUNNING")
            x1c.set_speed(10)
            client.ask("print", "stop", param="")
            client.wait(lambda m: m.get("gcode_state") == "FAILED")
            began = time.monotonic()
            client.wait(lambda m: m.get("print_error") == 50348044)
        assert 0.3 < time.monotonic() - began < 4.0

    @pytest.mark.parametrize(
        ("file", "plate", "md5", "error"),
        [
            ("missing.3mf", 1, "", "0500C010"),
            ("cube.gcode.3mf", 2, "", "05004003"),
            ("broken.gcode.3mf", 1, "", "05004003"),
            ("cube.gcode.3mf", 1, "0" * 32, "05004003"),
        ],
    )
    def test_what_cannot_be_printed_is_accepted_and_fails(
        self, printer: SimulatedPrinter, file: str, plate: int, md5: str, error: str
    ) -> None:
        content = make_3mf("cube")
        upload(printer, content)
        upload(printer, content[: len(content) // 2], "broken.gcode.3mf")
        with Client(printer) as client:
            client.start(file, plate, md5=md5)
            assert client.reply("project_file")["result"].lower() == "success"
            client.wait(lambda m: m.get("gcode_state") == "FAILED" and f"{m['print_error']:08X}" == error)
        assert printer.inspect()["starts"] == []

    def test_a_second_start_while_busy_is_refused(self, printer: SimulatedPrinter) -> None:
        upload(printer, make_3mf("cube", seconds=36_000))
        with Client(printer) as client:
            client.start()
            client.start(sequence_id="30002", subtask_name="other")
            assert client.reply("project_file", "30002")["result"] == "fail"
            client.wait(lambda m: m.get("print_error") == 0x05004004)
        seen = printer.inspect()
        assert [start["sequence_id"] for start in seen["starts"]] == ["30001"]
        assert seen["subtask_name"] == "cube"

    def test_heating_fans_light_speed_and_homing_show_in_the_reports(self, printer: SimulatedPrinter) -> None:
        with Client(printer) as client:
            client.ask("print", "gcode_line", param="M104 S210\nM140 S60\nM106 P1 S255\nM106 P2 S51\nG28\n")
            client.ask("print", "print_speed", param="3", sequence_id="30002")
            light: Frame = {"led_node": "chamber_light", "led_mode": "on", "led_on_time": 500, "led_off_time": 500}
            client.ask("system", "ledctrl", sequence_id="30003", **light)
            client.ask("system", "ledctrl", sequence_id="30004", **{**light, "led_node": "chamber_light2"})
            assert client.reply("ledctrl", "30003")["result"] == "success"
            assert client.reply("ledctrl", "30004")["result"] == "fail"
            client.wait(lambda m: m.get("nozzle_target_temper") == 210 and m.get("command") == "push_status")
            client.wait(lambda m: m.get("bed_target_temper") == 60)
            client.wait(lambda m: m.get("cooling_fan_speed") == "15" and m.get("big_fan1_speed") == "3")
            client.wait(lambda m: m.get("spd_lvl") == 3)
            client.wait(lambda m: {"node": "chamber_light", "mode": "on"} in m.get("lights_report", []))
            client.wait(lambda m: "home_flag" in m and m["home_flag"] & 0xFFFFFFFF & 7 == 7)
            client.wait(lambda m: abs(m.get("nozzle_temper", 0) - 210) < 1)
            rising = [report["nozzle_temper"] for report in client.reports() if "nozzle_temper" in report]
        assert any(30 < value < 205 for value in rising)
        assert printer.inspect()["fans"] == {"part": 100, "aux": 20, "chamber": 0}

    def test_without_developer_mode_control_is_refused_and_the_rest_works(self, printer: SimulatedPrinter) -> None:
        printer.set_faults(developer_mode=False)
        upload(printer, make_3mf("cube"))
        with Client(printer) as client:
            client.start()
            refusal = client.reply("project_file")
            assert (refusal["result"], refusal["err_code"]) == ("failed", 84033543)
            assert refusal["reason"] == "mqtt message verify failed"
            client.ask("system", "ledctrl", sequence_id="30002", led_node="chamber_light", led_mode="on")
            assert client.reply("ledctrl", "30002")["result"] == "success"
            client.ask("pushing", "pushall")
            client.wait(lambda m: {"attr": 0x05000500, "code": 0x00010007} in m.get("hms", []))
            assert printer.inspect()["starts"] == []
            printer.set_faults(developer_mode=True)
            client.start(sequence_id="30003")
            assert client.reply("project_file", "30003")["result"].lower() == "success"
        assert printer.inspect()["hms"] == []

    def test_what_a_person_does_at_the_screen(self, farm: Farm, printer: SimulatedPrinter) -> None:
        upload(printer, make_3mf("cube", seconds=36_000))
        with Client(printer) as client:
            client.wait(lambda m: m.get("command") == "push_status")  # the subscription is in force
            control(farm, printer, "screen", {"action": "start"})
            client.wait(lambda m: m.get("command") == "project_file" and m.get("subtask_name") == "cube")
            client.wait(lambda m: m.get("gcode_state") == "RUNNING")
            control(farm, printer, "screen", {"action": "pause"})
            client.wait(lambda m: m.get("gcode_state") == "PAUSE" and m.get("print_error") == 0x03008001)
            control(farm, printer, "screen", {"action": "resume"})
            client.until(lambda: client.states()[-1] == "RUNNING")
            control(farm, printer, "screen", {"action": "cancel"})
            client.wait(lambda m: m.get("gcode_state") == "FAILED")
        assert [start["origin"] for start in printer.inspect()["starts"]] == ["screen"]

    def test_a_print_that_fails(self, farm: Farm, printer: SimulatedPrinter) -> None:
        upload(printer, make_3mf("cube", seconds=36_000))
        with Client(printer) as client:
            client.start()
            client.wait(lambda m: m.get("gcode_state") == "RUNNING")
            control(farm, printer, "fail", {"print_error": 0x03008003})
            client.wait(lambda m: m.get("gcode_state") == "FAILED" and m.get("print_error") == 0x03008003)


class TestFaults:
    def test_a_silent_printer_obeys_and_says_nothing(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s) as client:
            client.wait(lambda m: m.get("msg") == 0)
            p1s.set_faults(silent=True)
            number = client.ask("print", "gcode_line", param="M104 S200\n")
            client.until(lambda: number in client.acknowledged)
            eventually(lambda: p1s.inspect()["nozzle_target"] == 200)
            assert not any("nozzle_target_temper" in report for report in client.reports()[1:])
            assert client.disconnects == 0
            p1s.set_faults(silent=False)
            client.wait(lambda m: m.get("nozzle_target_temper") == 200)
        assert not any(body.get("command") == "gcode_line" for body in client.bodies())

    def test_dropped_acknowledgements(self, printer: SimulatedPrinter) -> None:
        printer.set_faults(drop_acks=1)
        with Client(printer) as client:
            client.ask("print", "gcode_line", param="M104 S200\n", sequence_id="1")
            client.ask("print", "gcode_line", param="M140 S50\n", sequence_id="2")
            client.reply("gcode_line", "2")
            assert not any(
                body.get("command") == "gcode_line" and body["sequence_id"] == "1" for body in client.bodies()
            )
        assert printer.inspect()["nozzle_target"] == 200

    def test_ignored_commands(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s) as client:
            client.wait(lambda m: m.get("msg") == 0)
            before = p1s.inspect()["commands"]
            p1s.set_faults(ignore_commands=True)
            number = client.ask("print", "gcode_line", param="M104 S200\n")
            client.until(lambda: number in client.acknowledged)
            client.until(lambda: len(client.reports()) > 5)
            assert p1s.inspect()["commands"] == before
        with Client(p1s) as again:
            again.ask("print", "gcode_line", param="M104 S210\n")
            again.reply("gcode_line")
        assert p1s.inspect()["nozzle_target"] == 210

    def test_a_dropped_connection(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s) as client:
            p1s.set_faults(drop_connection=True)
            client.until(lambda: client.disconnects)
        with Client(p1s) as again:
            again.wait(lambda m: m.get("msg") == 0)

    def test_a_connection_dropped_by_a_start_that_counts(self, printer: SimulatedPrinter) -> None:
        upload(printer, make_3mf("cube"))
        printer.set_faults(drop_after_project_file=True)
        with Client(printer) as client:
            client.start()
            client.until(lambda: client.disconnects)
        assert not any(body.get("command") == "project_file" for body in client.bodies())
        assert len(printer.inspect()["starts"]) == 1
        in_state(printer, "RUNNING", "FINISH")

    def test_a_half_open_printer_answers_nothing(self, p1s: SimulatedPrinter) -> None:
        with Client(p1s) as before:
            before.wait(lambda m: m.get("msg") == 0)
            p1s.set_faults(half_open=True)
            before.messages.clear()
            before.ask("print", "gcode_line", param="M104 S200\n")
            raw = socket.create_connection((p1s.host, p1s.mqtt_port))
            raw.settimeout(0.4)
            with raw, pytest.raises(TimeoutError):
                trusting(p1s).wrap_socket(raw, server_hostname=p1s.serial)
            assert before.messages == []
            assert before.acknowledged == set()
            assert before.disconnects == 0
            p1s.set_faults(half_open=False)
            before.until(lambda: before.disconnects)
        with Client(p1s) as after:
            assert after.wait(lambda m: m.get("msg") == 0)["nozzle_target_temper"] == 0
