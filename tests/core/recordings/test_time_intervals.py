"""export --time-interval: in which interval a value was measured; nothing where the error of the clock is not known."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs
from recorded import NET, START, WARM, make_run, stamp

from riglog.cli.app import cli
from riglog.errors import ConfigError
from riglog.model import NS, Batch, ClockCheck, ClockState, Event, EventKind, Sample, Status, missing_sample
from riglog.recordings import export
from riglog.sinks import SqliteSink

GOOD = ClockState(synchronized=True, error_ns=2_000_500, method="adjtimex")
WORSE = structs.replace(GOOD, error_ns=5_000_000)
FREE = ClockState(synchronized=False, method="adjtimex")
UNKNOWN = ClockState(synchronized=True, method="systemsetup")


async def intervals(
    tmp_path: Path, checks: Sequence[tuple[float, ClockState]], events: Sequence[Event] = ()
) -> list[tuple[str, str]]:
    """The intervals of a value at 10 s, of one without a request at 11 s, and of a row without a value at 12 s."""
    run = make_run()
    samples = [
        Sample(channel=WARM, stamp=stamp(run, 10.0, 0.003), value=20.0, unit="degC"),
        Sample(channel=NET, stamp=stamp(run, 11.0, None), value=1.5, unit="g"),
        missing_sample(WARM, stamp(run, 12.0), Status.MISSING, "no reply"),
    ]
    sink = SqliteSink(tmp_path / "run.sqlite")
    await sink.open(run)
    found = [ClockCheck(at_ns=START + round(at * NS), state=state).event for at, state in checks]
    await sink.write([Batch("bus", 0, samples)], [*found, *events])
    await sink.aclose()
    export(tmp_path / "run.sqlite", tmp_path / "out.csv", format="csv", time_interval=True)
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        return [(row["earliest_at"][17:], row["latest_at"][17:]) for row in csv.DictReader(file)]


async def test_an_interval_is_from_request_to_reply_and_wider_by_the_larger_error(tmp_path: Path) -> None:
    found = await intervals(tmp_path, [(0, GOOD), (3600, WORSE)])
    # 10.123456789 s received, 3 ms before that requested; 5 ms more to each side; a microsecond for truncated times
    assert found == [("10.115456Z", "10.128457Z"), ("", "11.128457Z"), ("", "")]


@pytest.mark.parametrize(
    "checks",
    [
        [],
        [(0.0, GOOD)],
        [(11.5, GOOD), (20.0, GOOD)],
        [(0.0, GOOD), (20.0, FREE)],
        [(0.0, UNKNOWN), (20.0, GOOD)],
    ],
)
async def test_without_a_known_error_before_and_after_there_is_no_interval(
    checks: list[tuple[float, ClockState]], tmp_path: Path
) -> None:
    assert (await intervals(tmp_path, checks))[0] == ("", "")


async def test_a_clock_that_was_set_between_two_checks_gives_no_interval(tmp_path: Path) -> None:
    step = Event(START + 15 * NS, EventKind.CLOCK_STEP, "system clock (UTC) stepped by +5.000 s")
    assert set(await intervals(tmp_path, [(0, GOOD), (20, GOOD)], [step])) == {("", "")}


async def test_a_wide_export_has_no_intervals_and_the_command_adds_them(tmp_path: Path) -> None:
    await intervals(tmp_path, [(0, GOOD), (20, GOOD)])
    with pytest.raises(ConfigError, match="single values"):
        export(tmp_path / "run.sqlite", tmp_path / "x.csv", format="csv", wide=True, time_interval=True)
    path = str(tmp_path / "run.sqlite")
    done = CliRunner().invoke(cli, ["export", path, "--time-interval", "--format", "jsonl"])
    assert done.exit_code == 0, done.output
    assert '"earliest_at":"2026-11-20T12:00:10.118455Z"' in done.stdout.replace(" ", "")
    shown = CliRunner().invoke(cli, ["info", path]).stdout
    assert "Clock: set by a time server, error at most 2 ms" in shown
