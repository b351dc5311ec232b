"""The callback listener over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import anyio
import httpx2
import pytest

from gatehouse_client.errors import ConfigurationError, SignInDenied, SignInError
from gatehouse_client.signin.flows.callback import CallbackAddress, CallbackListener
from gatehouse_client.signin.protocol.authorization import UnexpectedCallback
from tests.support.free_ports import free_port

pytestmark = pytest.mark.anyio


def read(answer: Sequence[tuple[str, str]]) -> str:
    values = dict(answer)
    if values.get("state") != "right":
        raise UnexpectedCallback
    if values.get("error") == "access_denied":
        raise SignInDenied("they said <no>")
    if "error" in values:
        raise SignInError("it broke")
    return values["code"]


async def answer(listener: CallbackListener, patience: float = 5) -> str:
    await listener.wait(patience)
    return listener.code()


@pytest.fixture
def address() -> CallbackAddress:
    port = free_port()
    return CallbackAddress(f"http://localhost:{port}/callback", port)


async def test_a_right_answer_ends_the_wait_with_a_friendly_page(address: CallbackAddress) -> None:
    listener = CallbackListener(address, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        page = await browser.get(f"{address.uri}?code=c&state=right")
        assert await answer(listener) == "c"
    assert page.status_code == 200
    assert "Signed in" in page.text
    assert "サインインしました" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_a_wrong_state_neither_ends_the_wait_nor_is_believed(address: CallbackAddress) -> None:
    listener = CallbackListener(address, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        stray = await browser.get(f"{address.uri}?error=access_denied&error_description=evil&state=wrong")
        assert stray.status_code == 400
        assert "evil" not in stray.text
        with pytest.raises(SignInError, match="Nobody signed in"):
            await answer(listener, 0)
        await browser.get(f"{address.uri}?code=c&state=right")
        assert await answer(listener) == "c"


async def test_it_is_for_one_use(address: CallbackAddress) -> None:
    listener = CallbackListener(address, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        await browser.get(f"{address.uri}?code=first&state=right")
        second = await browser.get(f"{address.uri}?code=second&state=right")
        assert second.status_code == 400
        assert await answer(listener) == "first"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address.port), timeout=5)


async def test_other_paths_and_methods_are_not_served(address: CallbackAddress) -> None:
    listener = CallbackListener(address, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        origin = address.uri.removesuffix("/callback")
        assert (await browser.get(f"{origin}/favicon.ico")).status_code == 404
        assert (await browser.get(f"{origin}/callback/x?code=c&state=right")).status_code == 404
        assert (await browser.post(f"{address.uri}?code=c&state=right")).status_code == 404
        with pytest.raises(SignInError, match="Nobody signed in"):
            await answer(listener, 0)


async def test_a_denial_is_raised_and_shown_escaped(address: CallbackAddress) -> None:
    listener = CallbackListener(address, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        page = await browser.get(f"{address.uri}?error=access_denied&state=right")
        with pytest.raises(SignInDenied, match="they said"):
            await answer(listener)
    assert "they said &lt;no&gt;" in page.text
    assert "サインインしませんでした" in page.text


async def test_an_error_is_raised_and_shown(address: CallbackAddress) -> None:
    listener = CallbackListener(address, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        page = await browser.get(f"{address.uri}?error=server_error&state=right")
        with pytest.raises(SignInError, match="it broke"):
            await answer(listener)
    assert (page.status_code, "The sign-in failed" in page.text) == (400, True)


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", b"GET " + b"x" * 40_000, b""]
)
async def test_garbage_does_not_end_the_wait(address: CallbackAddress, garbage: bytes) -> None:
    listener = CallbackListener(address, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        async with await anyio.connect_tcp("127.0.0.1", address.port) as stream:
            await stream.send(garbage)
        await browser.get(f"{address.uri}?code=c&state=right")
        assert await answer(listener) == "c"


async def test_an_idle_connection_does_not_hold_up_the_answer(address: CallbackAddress) -> None:
    listener = CallbackListener(address, read)
    async with (
        listener.listening(),
        httpx2.AsyncClient() as browser,
        await anyio.connect_tcp("127.0.0.1", address.port),
    ):
        await browser.get(f"{address.uri}?code=c&state=right")
        assert await answer(listener) == "c"


async def test_it_listens_on_loopback_only(address: CallbackAddress) -> None:
    async with CallbackListener(address, read).listening():
        with socket.create_server(("127.0.0.2", address.port)):
            pass  # another address of the machine is still free at that port
        if socket.has_ipv6 and _has_loopback_v6():
            async with await anyio.connect_tcp("::1", address.port):
                pass


async def test_a_taken_port_says_the_way_out(address: CallbackAddress) -> None:
    with socket.create_server(("127.0.0.1", address.port)), pytest.raises(ConfigurationError) as raised:
        async with CallbackListener(address, read).listening():
            pass
    assert f"Port {address.port}" in str(raised.value)
    assert "OAUTH_CALLBACK_PORT" in str(raised.value)


async def test_a_machine_without_ipv6_has_a_callback_all_the_same(
    address: CallbackAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = anyio.create_tcp_listener

    async def without_ipv6(*, local_host: str, local_port: int) -> anyio.abc.Listener[anyio.abc.SocketStream]:
        if local_host == "::1":
            raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
        return await listen(local_host=local_host, local_port=local_port)

    monkeypatch.setattr(anyio, "create_tcp_listener", without_ipv6)
    listener = CallbackListener(address, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        await browser.get(f"http://127.0.0.1:{address.port}/callback?code=c&state=right")
        assert await answer(listener) == "c"


async def test_an_address_that_is_not_ours_is_named() -> None:
    address = CallbackAddress("http://localhost:5000/callback", free_port(), "192.0.2.1")
    with pytest.raises(ConfigurationError, match=r"cannot listen on 192\.0\.2\.1"):
        async with CallbackListener(address, read).listening():
            pass


async def test_a_configured_address_is_listened_on(address: CallbackAddress) -> None:
    everywhere = CallbackAddress(address.uri, address.port, "0.0.0.0")
    listener = CallbackListener(everywhere, read)
    async with listener.listening(), httpx2.AsyncClient() as browser:
        await browser.get(f"http://127.0.0.2:{address.port}/callback?code=c&state=right")
        assert await answer(listener) == "c"


def _has_loopback_v6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
