"""The scripted port: only the expected requests, and the replies at their times."""

from pathlib import Path

import anyio
import pytest

from riglog.testing import scripted, step
from riglog.testing.script import Script


async def test_a_script_is_replayed_with_its_times() -> None:
    transport = scripted(step(b"a?", b"a1\n", (0.5, b"a2\n")), step(b"b?"))
    assert isinstance(transport.peer, Script)
    await transport.send(b"a?")
    assert await transport.receive() == b"a1\n"
    begun = anyio.current_time()
    assert await transport.receive() == b"a2\n"
    assert anyio.current_time() - begun == pytest.approx(0.5)
    assert not transport.peer.finished
    await transport.send(b"b?")
    assert transport.peer.finished


async def test_another_request_shows_both() -> None:
    transport = scripted(step(b"\x01\x02"))
    with pytest.raises(AssertionError, match="script mismatch: sent 01 03, expected 01 02"):
        await transport.send(b"\x01\x03")


async def test_a_request_after_the_end_is_an_error() -> None:
    transport = scripted()
    with pytest.raises(AssertionError, match="unexpected request after the end of the script: 01"):
        await transport.send(b"\x01")


async def test_a_reply_that_was_not_received_leaves_the_script_unfinished() -> None:
    transport = scripted(step(b"a?", (1.0, b"a1\n")))
    assert isinstance(transport.peer, Script)
    await transport.send(b"a?")
    assert not transport.peer.finished
    await anyio.sleep(1)
    assert transport.receive_nowait() == b"a1\n"
    assert transport.peer.finished


def test_no_public_name_of_the_package_is_also_a_module_of_it() -> None:
    """Whichever was imported first would decide what the name means."""
    import riglog.testing

    modules = {path.stem for path in Path(riglog.testing.__file__).parent.glob("*.py")}
    assert not modules & {*riglog.testing.__all__}
