"""Which adapter stands behind each port. A port is made once per process, when it is first used."""

import hashlib
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, cast

from printpipe.adapters.metered import MeteredDocuments
from printpipe.domain.messages import TOPICS
from printpipe.domain.ports.bus import Bus
from printpipe.domain.ports.credentials import Credentials
from printpipe.domain.ports.documents import Documents
from printpipe.domain.ports.files import Files
from printpipe.domain.ports.keys import Keys
from printpipe.domain.ports.mail import Mail
from printpipe.domain.ports.outbound import Outbound
from printpipe.domain.ports.platform import Platform
from printpipe.domain.ports.remote import RemoteFiles
from printpipe.domain.ports.secrets import Secrets
from printpipe.domain.ports.web_keys import WebKeys
from printpipe.runtime.settings import Settings

_T = TypeVar("_T")


class MissingSetting(Exception):
    """A port cannot be made because a variable is not set."""


class Ports:
    """The platform of one process; the modules behind a port that is never used are never imported."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, object] = {}
        self._lock = threading.Lock()

    @property
    def documents(self) -> Documents:
        """The document store."""
        return self._once("documents", lambda: MeteredDocuments(self._documents()))

    @property
    def files(self) -> Files:
        """The bucket."""
        return self._once("files", self._files)

    @property
    def bus(self) -> Bus:
        """The message bus."""
        return self._once("bus", self._bus)

    @property
    def keys(self) -> Keys:
        """The key service."""
        return self._once("keys", self._keys)

    @property
    def credentials(self) -> Credentials:
        """Credentials for what agents reach by themselves."""
        return self._once("credentials", self._credentials)

    @property
    def secrets(self) -> Secrets:
        """The secret store."""
        return self._once("secrets", self._secrets)

    @property
    def remote(self) -> RemoteFiles:
        """Files behind URLs."""
        return self._once("remote", self._remote)

    @property
    def web_keys(self) -> WebKeys:
        """The keys of bearer tokens' issuer."""
        return self._once("web_keys", self._web_keys)

    @property
    def outbound(self) -> Outbound:
        """Tenants' own receivers."""
        return self._once("outbound", self._outbound)

    @property
    def mail(self) -> Mail:
        """The mail server."""
        return self._once("mail", self._mail)

    def _once(self, name: str, make: Callable[[], _T]) -> _T:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return cast(_T, self._made[name])

    def _adapter(self, port: str, name: str) -> Any:
        return getattr(import_module(f"printpipe.adapters.{self._settings.backend}.{port}"), name)

    def _need(self, value: _T | None, variable: str) -> _T:
        if value is None:
            raise MissingSetting(f"{variable} is not set")
        return value

    def _documents(self) -> Documents:
        if self._settings.backend == "embedded":
            folder = self._need(self._settings.data_dir, "PRINTPIPE_DATA_DIR")
            made = self._adapter("documents", "EmbeddedDocuments")
            return cast(Documents, made(folder / "documents.db", indexes=self._settings.firestore_indexes))
        project = self._need(self._settings.project, "FIRESTORE_PROJECT_ID")
        return cast(Documents, self._adapter("documents", "GoogleDocuments")(project))

    def _files(self) -> Files:
        bucket = self._need(self._settings.bucket, "GCS_BUCKET_NAME")
        if self._settings.backend == "embedded":
            folder = self._need(self._settings.data_dir, "PRINTPIPE_DATA_DIR")
            base_url = self._need(self._settings.public_base_url, "PUBLIC_BASE_URL")
            secret = self._need(next(iter(self._settings.fetch_token_secrets), None), "FETCH_TOKEN_SECRET")
            signing = hashlib.sha256(b"signed-urls\0" + secret.encode()).digest()
            made = self._adapter("files", "EmbeddedFiles")(folder / "files", bucket, base_url=base_url, secret=signing)
            return cast(Files, made)
        project = self._need(self._settings.project, "FIRESTORE_PROJECT_ID")
        return cast(Files, self._adapter("files", "GoogleFiles")(bucket, project=project))

    def _bus(self) -> Bus:
        if self._settings.backend == "embedded":
            bus = self._adapter("bus", "EmbeddedBus")()
            for topic in TOPICS:
                bus.create_topic(topic)
            return cast(Bus, bus)
        project = self._need(self._settings.project, "FIRESTORE_PROJECT_ID")
        return cast(Bus, self._adapter("bus", "GoogleBus")(project))

    def _keys(self) -> Keys:
        if self._settings.backend == "embedded":
            folder = self._need(self._settings.data_dir, "PRINTPIPE_DATA_DIR")
            return cast(Keys, self._adapter("keys", "EmbeddedKeys")(folder / "keyring.json"))
        key = self._need(self._settings.kms_key, "KMS_KEY_PATH")
        return cast(Keys, self._adapter("keys", "GoogleKeys")(key, emulator_host=self._settings.kms_emulator_host))

    def _credentials(self) -> Credentials:
        """Of Google alone: without Pub/Sub nobody asks for any."""
        project = self._need(self._settings.project, "FIRESTORE_PROJECT_ID")
        made = self._adapter("credentials", "GoogleCredentials")(
            project,
            emulator_host=self._settings.iam_emulator_host,
            pubsub_emulated=self._settings.pubsub_emulator_host is not None,
        )
        return cast(Credentials, made)

    def _secrets(self) -> Secrets:
        if self._settings.backend == "embedded":
            folder = self._need(self._settings.data_dir, "PRINTPIPE_DATA_DIR")
            return cast(Secrets, self._adapter("secrets", "EmbeddedSecrets")(folder / "secrets"))
        host = self._settings.secret_manager_emulator_host
        return cast(Secrets, self._adapter("secrets", "GoogleSecrets")(emulator_host=host))

    def _remote(self) -> RemoteFiles:
        from printpipe.adapters.remote import HttpsRemoteFiles  # only rows that take URLs carry it

        return HttpsRemoteFiles(frozenset(self._settings.gcode_url_hosts))

    def _web_keys(self) -> WebKeys:
        from printpipe.adapters.web_keys import HttpsWebKeys  # only rows that take bearer tokens carry it

        return HttpsWebKeys(self._need(self._settings.jwt_jwks_url, "JWT_JWKS_URL"))

    def _outbound(self) -> Outbound:
        from printpipe.adapters.outbound import HttpsOutbound  # only rows that send notifications carry it

        return HttpsOutbound()

    def _mail(self) -> Mail:
        from printpipe.adapters.mail import SmtpMail  # only rows that send notifications carry it

        return SmtpMail(self._need(self._settings.mail_server(), "SMTP_HOST"))


def platform(settings: Settings) -> Platform:
    """The ports that these settings name."""
    return Ports(settings)
