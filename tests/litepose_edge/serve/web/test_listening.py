"""What the service listens with."""

from __future__ import annotations

import asyncio
import socket

from litepose_edge.serve.web import server


def test_pictures_do_not_wait_for_acknowledgements():
    async def nodelay() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            own = writer.get_extra_info("socket")
            found.set_result(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = server.listen("127.0.0.1", 0)
        async with await asyncio.start_server(accepted, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            value = await found
            writer.close()
            await writer.wait_closed()
        return value

    assert asyncio.run(nodelay()) != 0
