"""The table of a live screen: right in every size, still where values change, and safe for hostile texts."""

from collections.abc import Sequence

import pytest
from rich.console import Console

from riglog.cli.live_table import ChannelLine, LiveView, render, room_for_channels
from riglog.cli.sizes import format_bytes
from riglog.cli.sparkline import sparkline


def line(number: int = 0, **changes: object) -> ChannelLine:
    given: dict[str, object] = {
        "device": f"oven-{number}",
        "channel": "process_value",
        "value": 20.5 + number,
        "text": None,
        "unit": "degC",
        "status": "ok",
        "error": None,
        "age": 0.5,
        "old": False,
    }
    return ChannelLine(**(given | changes))  # type: ignore[arg-type]


def view(lines: Sequence[ChannelLine], **changes: object) -> LiveView:
    given: dict[str, object] = {
        "facts": ["bench.sqlite: recording", "12 rows"],
        "events": ["one", "two"],
        "footer": "q quit",
    }
    return LiveView(lines=lines, **(given | changes))  # type: ignore[arg-type]


def shown(of: LiveView, width: int = 80, height: int | None = 24) -> list[str]:
    console = Console(width=width, height=height, force_terminal=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(render(of, width, height))
    return capture.get().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (60, 12), (100, 10)])
@pytest.mark.parametrize("channels", [0, 1, 5, 40])
def test_a_screen_fits_into_its_terminal(width: int, height: int, channels: int) -> None:
    lines = shown(view([line(number) for number in range(channels)]), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_every_channel_has_device_name_value_unit_age_and_status() -> None:
    text = shown(view([line(3)]))[3].split()
    assert text == ["oven-3", "process_value", "23.5", "degC", "0.5", "s", "ok"]


def test_no_value_is_shown_where_there_is_none() -> None:
    lost = line(value=None, status="missing", error="no reply", age=12.0, old=True)
    assert shown(view([lost]))[3].split() == ["oven-0", "process_value", "--", "degC", "12", "s", "missing,", "old"]
    assert shown(view([line(age=None, value=None)]))[3].split()[-2:] == ["no", "row"]


def test_a_wide_screen_has_a_trend_and_the_reason() -> None:
    lost = line(value=None, status="missing", error="no reply within 0.5 s", trend=[1.0, 2.0, None, 3.0])
    wide = shown(view([lost]), 160)
    assert "▁▅ █" in wide[3]
    assert "no reply within 0.5 s" in wide[3]
    assert "reason" not in shown(view([lost]), 80)[2]


def test_columns_stay_where_they_are_when_values_change() -> None:
    before = shown(view([line(1), line(2)]))[2]
    longer = [line(1, value=123456.789, text="a long label of a state", unit="mm/min/day"), line(2, value=None)]
    assert shown(view(longer))[2] == before


def test_channels_that_do_not_fit_can_be_scrolled_to() -> None:
    many = [line(number) for number in range(40)]
    room = room_for_channels(view(many), 24)
    assert any(f"channels 1 to {room} of 40" in each for each in shown(view(many)))
    last = shown(view(many, first=40 - room))
    assert any("oven-39" in each for each in last)
    assert not any("oven-0 " in each for each in last)
    assert len(shown(view(many, first=39))) == len(last)  # the lines below do not move


def test_without_a_height_every_channel_is_shown() -> None:
    lines = shown(view([line(number) for number in range(200)], footer=""), 80, None)
    assert sum("process_value" in each for each in lines) == 200


def test_texts_of_instruments_cannot_move_the_cursor() -> None:
    hostile = line(
        device="\x1b[2Joven", channel="a\rb", text="\x07[bold]", value=None, unit="\u202e", error="\x1b]0;x\x07"
    )
    text = "\n".join(shown(view([hostile], events=["\x1b[31m"]), 200))
    assert not {"\x1b", "\r", "\x07", "\u202e"} & {*text}
    assert "[bold]" in text


def test_a_sparkline_runs_from_the_smallest_to_the_largest_value() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([5.0, 5.0], 8) == "▄▄"
    assert sparkline([1, None, 2], 8) == "▁ █"
    assert sparkline([None], 8) == " "
    assert sparkline(range(100), 4, ascii_only=True).isascii()
    assert len(sparkline(range(100), 4)) == 4


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (5.2e15, "5200 TB")]
)
def test_sizes_are_in_powers_of_1000(number: float, text: str) -> None:
    assert format_bytes(number) == text
