"""The real line against every far end within stated sizes: late, lost, copied, refused, cancelled, in any order.

The sizes are small so that the search is part of the suite; ``python tests/support/adversary.py`` searches further.
"""

import pytest
from adversary import (
    CANCELLED,
    COPIED,
    EVERY_KIND,
    LATE,
    LOST,
    NO_COPIES,
    REFUSED,
    Adversary,
    Decision,
    SignedCodec,
    explore,
    one_run,
)

from riglog.protocol.modbus.codec import ModbusCodec

MODBUS = {"m": 8, "usual": ModbusCodec.usual_variants}
"""Two of many signatures take turns until a reply is missing or a copy was seen."""
COARSE = [*LATE[::4], *LOST, *COPIED[3::5], *CANCELLED[1:], *REFUSED[1::3]]
COARSE_WITHOUT_COPIES = [*LATE[::4], *LOST, *CANCELLED[1:], *REFUSED[1::3]]


@pytest.mark.parametrize("m", [1, 2, 4, 8])
async def test_no_single_fault_but_a_copy_makes_a_wrong_value(m: int) -> None:
    assert await explore(m, 1, 7, NO_COPIES) == []


async def test_without_a_resync_request_no_single_fault_but_a_copy_makes_a_wrong_value() -> None:
    assert await explore(1, 1, 7, NO_COPIES, marked=False) == []


@pytest.mark.parametrize("m", [1, 2, 8])
async def test_no_single_fault_makes_a_wrong_value_on_a_strict_port(m: int) -> None:
    assert await explore(m, 1, 7, EVERY_KIND, strict=True) == []


@pytest.mark.parametrize("faults", [1, 2])
async def test_with_transaction_numbers_no_fault_makes_a_wrong_value(faults: int) -> None:
    kinds = EVERY_KIND if faults == 1 else COARSE[::2]
    assert await explore(1, faults, 4, kinds, numbered=True) == []


@pytest.mark.parametrize("m", [2, 4])
async def test_no_two_late_lost_refused_or_cancelled_replies_make_a_wrong_value(m: int) -> None:
    assert await explore(m, 2, 4, COARSE_WITHOUT_COPIES) == []


async def test_no_two_late_or_lost_replies_make_a_wrong_value_on_a_strict_port_without_variants() -> None:
    assert await explore(1, 2, 4, COARSE_WITHOUT_COPIES, strict=True) == []


async def test_where_two_of_many_take_turns_no_late_lost_refused_or_cancelled_reply_makes_a_wrong_value() -> None:
    assert await explore(faults=1, replies=7, kinds=NO_COPIES, **MODBUS) == []
    assert await explore(faults=2, replies=4, kinds=COARSE_WITHOUT_COPIES, **MODBUS) == []
    assert await explore(faults=1, replies=7, kinds=COPIED, strict=True, **MODBUS) == []


async def test_where_two_of_many_variants_take_turns_only_the_first_old_copies_pass() -> None:
    """From the first copy that is recognised as one, all variants take turns."""
    first = {0: Decision((2.0, 5.0))}
    assert first in await explore(faults=1, replies=1, kinds=COPIED[1:4], **MODBUS)
    assert await explore(faults=1, replies=1, kinds=COPIED[:3], **MODBUS) == []
    every_one = {number: Decision((2.0, 5.0)) for number in range(40)}
    assert (await one_run(SignedCodec(**MODBUS), every_one, 12)).wrong == 2
    assert (await one_run(SignedCodec(**MODBUS), every_one, 40)).wrong == 2


@pytest.mark.parametrize("delay", [4.5, 5.0])
@pytest.mark.parametrize("honest", [0, 20])
async def test_where_every_reply_is_copied_only_the_first_old_copy_passes(honest: int, delay: float) -> None:
    """Also on a line that copies from its first reply on: what its copies say about the usual time is not used."""
    decisions = {number: Decision((2.0, delay)) for number in range(honest, 60)}
    outcome = await one_run(SignedCodec(2), decisions, 60)
    assert outcome.wrong == 1
    assert outcome.values > honest


@pytest.mark.parametrize("delay", [2.3, 3.0, 3.5, 3.9, 4.0, 4.5, 7.0])
@pytest.mark.parametrize("number", [0, 1, 2, 9, 30])
@pytest.mark.parametrize("m", [1, 2])
async def test_without_variants_in_turn_a_single_copy_shifts_no_more_than_one_value(
    m: int, number: int, delay: float
) -> None:
    """Also a copy of the first reply, when no usual latency is known yet; xBPI has a second variant after failures."""
    outcome = await one_run(SignedCodec(m, usual=1), {number: Decision((2.0, delay))}, 60)
    assert outcome.wrong <= 1
    assert outcome.values >= 30  # once a copy is known, every reply is confirmed by a request of its own


async def test_with_many_variants_a_copy_within_their_cycle_is_recognised() -> None:
    assert await explore(8, 1, 7, COPIED) == []
    assert await explore(8, 2, 4, COARSE[::2]) == []


async def test_what_the_wire_cannot_prove_is_known() -> None:
    """Residuals, as the documentation states them: if one of them disappears, the documentation is out of date."""
    copy_of_the_last = Decision((2.0, 3.5))  # one that comes much earlier than replies do is recognised
    assert await explore(1, 1, 1, [*COPIED[:2], copy_of_the_last]) == [{0: copy_of_the_last}]
    assert {0: copy_of_the_last} not in await explore(2, 1, 1, [*COPIED[1:4], copy_of_the_last])
    two_requests_old = {0: Decision((2.0, 5.0))}
    assert two_requests_old in await explore(2, 1, 1, COPIED[1:4])
    assert two_requests_old not in await explore(4, 1, 1, COPIED[1:4])
    late_into_the_place_of_a_late_one = {0: Decision((9.0,)), 2: Decision((4.0,))}
    assert late_into_the_place_of_a_late_one in await explore(1, 2, 3, [Decision((9.0,)), Decision((4.0,))])


async def test_the_search_can_find_a_wrong_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A far end that answers every request with an older number is found at once."""
    monkeypatch.setattr(Adversary, "requests", -1, raising=False)
    send = Adversary.send

    def old(self: Adversary, data: bytes, now: float) -> None:
        self.requests -= 1
        send(self, data, now)
        self.requests += 1

    monkeypatch.setattr(Adversary, "send", old)
    assert await explore(4, 0, 3, []) != []
