"""TLS for programs that speak only TCP, such as Debian's SIPp: what goes through is not looked at.

async with wrapped(node.tls, context) as address:
    …  # what connects to `address` in the clear is connected to the node by TLS

async with unwrapped(sipp.address, context, port):
    …  # what connects to that port by TLS is connected to SIPp in the clear
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

Address = tuple[str, int]

_AT_ONCE = 65536


def wrapped(target: Address, context: ssl.SSLContext) -> AbstractAsyncContextManager[Address]:
    """Take TCP, and go on to the target by TLS; return where."""
    return _between(target, 0, outside=None, inside=context)


def unwrapped(
    target: Address, context: ssl.SSLContext, port: int
) -> AbstractAsyncContextManager[Address]:
    """Take TLS at a port, and go on to the target by TCP; return where."""
    return _between(target, port, outside=context, inside=None)


@asynccontextmanager
async def _between(
    target: Address,
    port: int,
    *,
    outside: ssl.SSLContext | None,
    inside: ssl.SSLContext | None,
) -> AsyncIterator[Address]:
    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*target, ssl=inside)
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))

    server = await asyncio.start_server(join, "127.0.0.1", port, ssl=outside)
    address: Address = server.sockets[0].getsockname()[:2]
    try:
        yield address
    finally:
        server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction until it ends; then end the other side's."""
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(_AT_ONCE):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
