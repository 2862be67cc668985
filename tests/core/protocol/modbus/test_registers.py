"""Numbers in registers, and the blocks in which they are read: broad first, and never a refused one again."""

import struct

import pytest

from riglog.protocol.modbus.registers import Block, BlockPlan, Order, Place, decode_number, encode_number, part_of

FLOAT = [0x429C, 0x977D]  # 78.29588


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (Order.ABCD, [0x429C, 0x977D]),
        (Order.CDAB, [0x977D, 0x429C]),
        (Order.BADC, [0x9C42, 0x7D97]),
        (Order.DCBA, [0x7D97, 0x9C42]),
    ],
)
def test_a_float_is_read_in_every_order(order: Order, words: list[int]) -> None:
    number = decode_number(words, "float32", order)
    assert number == pytest.approx(78.29588)
    assert encode_number(number, "float32", order) == words


@pytest.mark.parametrize(
    ("kind", "number", "words"),
    [
        ("uint8", 255, [0x00FF]),
        ("int16", -2, [0xFFFE]),
        ("uint16", 65534, [0xFFFE]),
        ("int32", -68200, [0xFFFE, 0xF598]),
        ("uint32", 68200, [1, 2664]),
        ("float64", 1.5, [0x3FF8, 0, 0, 0]),
    ],
)
def test_every_type_is_read_and_written(kind: str, number: float, words: list[int]) -> None:
    assert decode_number(words, kind) == number  # type: ignore[arg-type]
    assert encode_number(number, kind) == words  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "number"), [("uint8", 256), ("uint16", -1), ("int16", 40000), ("float32", 1e39)])
def test_a_number_that_does_not_fit_is_not_encoded(kind: str, number: float) -> None:
    with pytest.raises((struct.error, OverflowError)):
        encode_number(number, kind)  # type: ignore[arg-type]


def test_a_number_needs_exactly_its_registers() -> None:
    with pytest.raises(struct.error):
        decode_number([1], "float32")


def place(start: int, count: int = 1, end: int | None = None) -> Place[int]:
    return Place(start, start, count, start + count if end is None else end)


def extents(blocks: list[Block[int]]) -> list[tuple[int, int]]:
    return [block.extent for block in blocks]


WANTED = [place(number) for number in (0, 1, 2, 8, 9)]


def always(start: int, end: int) -> bool:
    return end <= 10


def test_without_safe_gaps_only_neighbours_are_read_together() -> None:
    assert extents(BlockPlan[int]().covering(WANTED[::-1])) == [(0, 3), (8, 2)]


def test_safe_gaps_are_read_too() -> None:
    assert extents(BlockPlan[int](is_safe=always).covering(WANTED)) == [(0, 10)]


def test_registers_that_are_reserved_are_no_gap() -> None:
    assert extents(BlockPlan[int]().covering([place(360, 2), place(362, 1, 364), place(364, 2)])) == [(360, 6)]


def test_a_block_is_never_larger_than_the_server_allows() -> None:
    blocks = BlockPlan[int](largest=4, is_safe=always).covering(WANTED)
    assert extents(blocks) == [(0, 3), (8, 2)]
    assert extents(BlockPlan[int](largest=2).covering(WANTED)) == [(0, 2), (2, 1), (8, 2)]


def test_a_refused_block_is_read_in_smaller_ones_and_is_never_requested_again() -> None:
    plan = BlockPlan[int](is_safe=always)
    seen = []
    while blocks := plan.covering(WANTED):
        assert blocks[0].extent not in seen
        seen.append(blocks[0].extent)
        plan.refuse(blocks[0])
    assert seen == [(0, 10), (0, 3), (0, 1), (1, 1), (2, 1), (8, 2), (8, 1), (9, 1)]


def test_the_refusal_of_one_block_leaves_the_others_as_they_are() -> None:
    plan = BlockPlan[int]()
    plan.refuse(plan.covering(WANTED)[0])
    assert extents(plan.covering(WANTED)) == [(0, 1), (1, 1), (2, 1), (8, 2)]


def test_a_block_that_was_not_refused_after_all_is_read_again() -> None:
    plan = BlockPlan[int](is_safe=always)
    (block,) = plan.covering(WANTED)
    plan.refuse(block)
    plan.allow(block)
    assert plan.covering(WANTED) == [block]


def test_a_copy_knows_the_refusals_and_keeps_its_own_to_itself() -> None:
    plan = BlockPlan[int](is_safe=always)
    plan.refuse(plan.covering(WANTED)[0])
    copy = plan.copy()
    copy.refuse(copy.covering(WANTED)[0])
    assert extents(copy.covering(WANTED)) == [(0, 1), (1, 1), (2, 1), (8, 2)]
    assert extents(plan.covering(WANTED)) == [(0, 3), (8, 2)]


@pytest.mark.parametrize(("largest", "spare"), [(125, 5), (5, 2)])
def test_a_block_says_how_many_registers_behind_it_are_safe_to_read(largest: int, spare: int) -> None:
    (block,) = BlockPlan[int](largest, always).covering([place(2, 3)])
    assert block.spare == spare
    (alone,) = BlockPlan[int]().covering([place(2, 1, 4)])
    assert alone.spare == 1  # the one that is reserved for the same value


def test_every_place_of_a_block_has_its_own_registers() -> None:
    (block,) = BlockPlan[int](is_safe=always).covering([place(3), place(5, 2)])
    assert [part_of(block, one, [30, 40, 50, 60]) for one in block.places] == [[30], [50, 60]]
    assert block.keys == (3, 5)


def test_nothing_is_read_for_nothing() -> None:
    assert BlockPlan[int]().covering([]) == []
