"""The stand-in for Cloud KMS, as Google's client sees it: strict where Cloud KMS is, and its keys kept where asked."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import google_crc32c
import grpc
import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.kms_v1.services.key_management_service.transports import KeyManagementServiceGrpcTransport

from local.kms import KmsServer
from printpipe.adapters.google.keys import GoogleKeys
from tests.contract.ports.deadlines import eventually

KEY = "projects/p/locations/europe-west3/keyRings/printpipe/cryptoKeys/metadata"


def client(host: str) -> Any:
    transport = KeyManagementServiceGrpcTransport(channel=grpc.insecure_channel(host))
    return KeyManagementServiceClient(transport=transport)


@pytest.mark.parametrize(
    "request_",
    [
        {"name": "projects/p/cryptoKeys/k", "plaintext": b"x"},
        {"name": KEY, "plaintext": b"x", "plaintext_crc32c": 1},
        {
            "name": KEY,
            "plaintext": b"x",
            "additional_authenticated_data": b"y",
            "additional_authenticated_data_crc32c": 1,
        },
        {"name": KEY, "plaintext": b"x" * ((64 << 10) + 1)},
        {"name": KEY, "plaintext": b"x", "additional_authenticated_data": b"x" * ((64 << 10) + 1)},
    ],
    ids=["name", "plaintext checksum", "aad checksum", "plaintext length", "aad length"],
)
def test_what_cloud_kms_refuses_is_refused(request_: dict[str, Any]) -> None:
    with KmsServer() as server, pytest.raises(InvalidArgument):
        client(server.host).encrypt(request=request_, timeout=5)


def test_checksums_are_told_as_verified_only_where_they_came() -> None:
    with KmsServer() as server:
        bare = client(server.host).encrypt(request={"name": KEY, "plaintext": b"x"}, timeout=5)
        checked = client(server.host).encrypt(
            request={"name": KEY, "plaintext": b"x", "plaintext_crc32c": google_crc32c.value(b"x")}, timeout=5
        )

    assert (bare.verified_plaintext_crc32c, checked.verified_plaintext_crc32c) == (False, True)
    assert checked.name == f"{KEY}/cryptoKeyVersions/1"
    assert checked.ciphertext_crc32c == google_crc32c.value(checked.ciphertext)


def test_a_ciphertext_belongs_to_its_key() -> None:
    with KmsServer() as server:
        sealed = GoogleKeys(KEY, emulator_host=server.host).wrap(b"secret", b"")

        with pytest.raises(InvalidArgument):
            client(server.host).decrypt(request={"name": f"{KEY}-2", "ciphertext": sealed}, timeout=5)


def test_kept_keys_outlive_the_process(tmp_path: Path) -> None:
    file = tmp_path / "kms.json"
    command = [sys.executable, "-m", "local.kms", "--keys-file", str(file)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        command, cwd=root, env={"PYTHONPATH": "functions:."}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        host = json.loads(process.stdout.readline())["host"]
        sealed = GoogleKeys(KEY, emulator_host=host).wrap(b"secret", b"a")
        process.terminate()
        eventually(lambda: process.poll() is not None)
    assert process.returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600

    with KmsServer(keys_file=file) as server:
        assert GoogleKeys(KEY, emulator_host=server.host).unwrap(sealed, b"a") == b"secret"
