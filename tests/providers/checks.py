"""What must hold with every provider. A check gets a world whose provider and server run, and raises `Miss`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.providers.provider import BOB
from tests.providers.world import World
from tests.support.judged import Miss, wait_until

FOREIGN_WORDS = re.compile(r"\bAuth0\b|\bauth0 |dashboard:")
"""Words that mean nothing to people who do not use Auth0. Names of variables (AUTH0_...) are not among them."""


def sign_in(world: World) -> None:
    """alice signs in: authorization code with PKCE"""
    world.signed_in("sign-in")


def list_and_call(world: World) -> None:
    """she lists the tools, calls one, and `whoami` names her permission"""
    home = world.signed_in("call")
    listed = world.succeed("tools", home=home, browser=False)
    _require("get_time" in listed, f"`gatehouse tools` says: {listed}")
    called = world.succeed("call", "get_time", "timezone=UTC", home=home, browser=False)
    _require("UTC" in called, f"`gatehouse call get_time` says: {called}")
    who = world.succeed("whoami", home=home, browser=False)
    _require("access:mcp" in who, f"`gatehouse whoami` says: {who}")


def step_up(world: World) -> None:
    """a call that needs one more permission asks for it in a second sign-in"""
    home = world.signed_in("step-up")
    before = _permissions(world, home)
    _require("time:convert" not in before, f"the first sign-in got {' '.join(before)}: there is nothing to ask for")
    arguments = ("time=2026-07-28T09:30", "from_timezone=Asia/Tokyo", "to_timezone=UTC")
    converted = world.succeed("call", "convert_time", *arguments, home=home)
    _require("00:30" in converted, f"`gatehouse call convert_time` says: {converted}")


def refusal(world: World) -> None:
    """bob, who has no permission, gets 403 and is told which one is missing"""
    home = world.folder / "refusal"
    home.mkdir()
    done = world.agent("call", "get_time", home=home, user=BOB)
    said = done.stdout + done.stderr
    _require(done.returncode != 0, f"bob may call: {said}")
    _require("403" in said and "access:mcp" in said, f"bob was told: {said}")


def renewal(world: World) -> None:
    """when the server refuses the expired token, a call gets a new one without a person"""
    world.stop("provider")
    world.start_provider(short_lived=True)
    home = world.signed_in("renewal")
    # Not the newest token: the agent may renew it while the command runs.
    token = world.token(home)
    wait_until("the server refuses the token", lambda: world.call(token).status_code == 401)
    world.succeed("call", "get_time", home=home, browser=False)


def rotation(world: World) -> None:
    """a token of a new key is accepted at once, one of a withdrawn key never again"""
    held, keys = world.token(world.signed_in("rotation")), world.published_keys()
    world.rotate_keys()
    _accepted(world, world.token(world.signed_in("rotation-new-key")), "the token of the new key")
    if keys & world.published_keys():
        _accepted(world, held, "the token of a key that is still published")
    _withdraw(world, keys)
    _accepted(world, world.token(world.signed_in("rotation-newest-key")), "the token of the newest key")
    _require(world.call(held).status_code == 401, "the token of the withdrawn key is accepted")


def withdrawal(world: World) -> None:
    """an agent whose token is of a withdrawn key gets a new one without a person"""
    home = world.signed_in("withdrawal")
    held = world.token(home)
    _withdraw(world, world.published_keys())
    world.signed_in("withdrawal-new-key")  # the server learns of the new keys by a token
    _require(world.call(held).status_code == 401, "the token of the withdrawn key is accepted")
    world.succeed("call", "get_time", home=home, browser=False)


def outage(world: World) -> None:
    """while the provider is down, tokens are accepted; a new server answers 503; later all is well"""
    home = world.signed_in("outage")
    token = world.token(home)
    _accepted(world, token, "the token before the outage")
    world.stop("provider")
    world.succeed("call", "get_time", home=home, browser=False)
    world.stop("server")
    world.start_server()
    answer = world.call(token)
    _require(
        answer.status_code == 503 and answer.headers.get("Retry-After", "").isdecimal(),
        f"without keys the server answers {answer.status_code} with Retry-After {answer.headers.get('Retry-After')}",
    )
    _require(not world.is_ready(), "without keys the server says that it is ready")
    failed = world.agent("call", "get_time", home=home, browser=False)
    _require(failed.returncode != 0, "a call succeeds although the server has no keys")
    examined = world.agent("doctor", home=home, browser=False)
    found = [line for line in examined.stdout.splitlines() if "✗" in line and world.provider.issuer.rstrip("/") in line]
    _require(
        examined.returncode != 0 and bool(found), f"doctor does not say that the provider is down: {examined.stdout}"
    )
    world.start_provider()
    wait_until("the server is ready again", world.is_ready)
    wait_until("the token is accepted again", lambda: world.call(token).status_code == 200)


def doctor(world: World) -> None:
    """`gatehouse doctor` finds nothing wrong, and has no word of Auth0"""
    home = world.signed_in("doctor")
    examined = world.agent("doctor", home=home, browser=False)
    wrong = [line.strip() for line in examined.stdout.splitlines() if "✗" in line]
    _require(examined.returncode == 0, f"exit code {examined.returncode}: {'; '.join(wrong) or examined.stderr}")
    foreign = [line.strip() for line in examined.stdout.splitlines() if FOREIGN_WORDS.search(line)]
    _require(not foreign, f"words of Auth0: {'; '.join(foreign)}")


SIGN_IN = "sign-in"
CHECKS: dict[str, Callable[[World], None]] = {
    SIGN_IN: sign_in,
    "call": list_and_call,
    "step-up": step_up,
    "refusal": refusal,
    "doctor": doctor,
    "rotation": rotation,
    "withdrawal": withdrawal,
    "outage": outage,
    "renewal": renewal,
}
"""By the name that is shown. Later ones restart the provider or change its keys."""


def _permissions(world: World, home: Path) -> list[str]:
    """What the server says that alice may do."""
    answer = json.loads(world.succeed("call", "whoami", home=home, browser=False))
    return list(answer["permissions"])


def _withdraw(world: World, keys: set[str]) -> None:
    """Rotate until none of these keys is published."""
    while keys & world.published_keys():
        world.rotate_keys()


def _accepted(world: World, token: str, what: str) -> None:
    answer = world.call(token)
    _require(answer.status_code == 200, f"{what} is refused: {answer.status_code} {answer.text}")


def _require(holds: bool, seen: str) -> None:
    if not holds:
        raise Miss(seen)
