"""A device without channels has a gap of its own, from the events."""

from riglog.model import iso
from riglog.recordings import AbsenceFinder, EventRow
from riglog.sinks import COLUMNS, Row

SECOND = 1_000_000_000


def row(at: int, device: str) -> Row:
    columns = dict.fromkeys(COLUMNS) | {"run": "run", "device": device, "received_at": iso(at * SECOND)}
    return Row(**columns)  # type: ignore[arg-type]


def event(at: int, kind: str, device: str | None = None) -> EventRow:
    return EventRow("run", iso(at * SECOND), kind, device, None, f"{kind} at {at}")


def found(*events: EventRow, rows: dict[str, range]) -> list[tuple[str, float, float, str]]:
    """Return device, start, duration and cause of each absence; ``rows`` are the seconds with rows, by device."""
    finder = AbsenceFinder(events)
    written = sorted(
        (row(tick, device) for device, ticks in rows.items() for tick in ticks),
        key=lambda each: each.received_at,
    )
    assert list(finder.watch(written)) == written
    return [
        (absence.device, float(absence.started_at[17:19]), absence.seconds, absence.cause) for absence in finder.found()
    ]


def test_an_absence_lasts_until_the_device_is_present() -> None:
    events = event(0, "run_started"), event(0, "device_absent", "gas"), event(7, "device_present", "gas")
    assert found(*events, rows={"oven": range(20), "gas": range(7, 20)}) == [("gas", 0, 7, "device_absent at 0")]


def test_a_device_with_rows_has_the_gap_of_its_channels() -> None:
    events = event(0, "device_absent", "oven"), event(7, "device_present", "oven")
    assert found(*events, rows={"oven": range(20)}) == []


def test_a_device_that_never_came_is_absent_until_the_last_row_or_the_end_of_the_run() -> None:
    absent = event(0, "device_absent", "gas")
    assert found(absent, rows={"oven": range(20)}) == [("gas", 0, 19, "device_absent at 0")]
    assert found(absent, event(25, "run_finished"), rows={"oven": range(20)}) == [("gas", 0, 25, "device_absent at 0")]
    assert found(absent, rows={}) == [("gas", 0, 0, "device_absent at 0")]


def test_each_part_of_a_resumed_run_has_its_absence_and_another_reason_is_no_new_one() -> None:
    events = (
        event(0, "device_absent", "gas"),
        event(3, "device_absent", "gas"),
        event(10, "run_resumed"),
        event(11, "device_absent", "gas"),
        event(14, "device_present", "gas"),
    )
    expected = [("gas", 0, 10, "device_absent at 0"), ("gas", 11, 3, "device_absent at 11")]
    assert found(*events, rows={"oven": range(20), "gas": range(14, 20)}) == expected
