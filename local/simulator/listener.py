"""TLS listening sockets, on which a connection can also be accepted and left without an answer."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_HANDSHAKE_SECONDS = 10.0


def server_context(certificate: Path) -> ssl.SSLContext:
    """TLS 1.2 only, as measured on the devices; no session resumption."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    context.load_cert_chain(certificate)
    return context


class TlsListener:
    """Accepts on one address and hands every connection, once its handshake is done, to `serve`."""

    def __init__(
        self, address: tuple[str, int], certificate: Path, serve: Serve, answering: Callable[[], bool] = lambda: True
    ) -> None:
        self._socket = socket.create_server(address, backlog=64)
        self._socket.setblocking(False)
        self._context = server_context(certificate)
        self._serve = serve
        self._answering = answering
        self._unanswered: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._socket.getsockname()[1])

    def begin(self) -> None:
        """Accept from now on; called in the event loop."""
        self._spawn(self._accept())

    async def close(self) -> None:
        """Stop listening and end every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()
        self.reset_unanswered()

    def reset_unanswered(self) -> None:
        """Reset the connections that were accepted and left alone."""
        for connection in self._unanswered:
            reset_on_close(connection)
            connection.close()
        self._unanswered.clear()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(self._socket)
            if self._answering():
                self._spawn(self._converse(connection))
            else:
                self._unanswered.append(connection)

    async def _converse(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=self._context, ssl_handshake_timeout=_HANDSHAKE_SECONDS
            )
        except (OSError, asyncio.IncompleteReadError):
            connection.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            transport.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await asyncio.wait_for(writer.wait_closed(), 0.2)
            transport.abort()


def reset_on_close(connection: socket.socket) -> None:
    """Make the next close send RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def abort(writer: asyncio.StreamWriter) -> None:
    """Cut a connection with a TCP reset; one that its client has left already has no socket any more."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            reset_on_close(connection)
    writer.transport.abort()
