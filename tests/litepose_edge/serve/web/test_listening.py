"""What the service listens with."""

from __future__ import annotations

import asyncio
import socket

import pytest

from litepose_edge.errors import OutputError
from litepose_edge.serve.options import WebOptions
from litepose_edge.serve.web import server
from live_service import make_service


def test_a_server_that_cannot_say_that_it_answers_ends_with_the_reason():
    """Its standard output may be closed; the stream would otherwise wait for ever, unseen."""

    def closed() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    listening = server.listen("127.0.0.1", 0)
    answering = server.Server(make_service(), WebOptions(), listening, closed)
    with pytest.raises(BrokenPipeError):
        answering.run()


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


@pytest.mark.parametrize("host", ["0.0.0..0", "a" * 64])
def test_a_name_that_can_be_none_is_a_typed_error(host):
    with pytest.raises(OutputError, match="cannot listen on"):
        server.listen(host, 0)
