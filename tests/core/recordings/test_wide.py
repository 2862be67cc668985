"""The wide form: a row per slot if all channels share the slots, else per interval; no value filled in, none lost."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from recorded import GAS, MODE, NET, WARM, ZONE, make_run, stamp, steady, store

from riglog.model import Batch, Channel, Run, Sample, Status, missing_sample
from riglog.recordings import Exported, Selection, export
from riglog.sinks import SqliteSink

RUN = make_run()


async def wide(
    folder: Path, batches: Sequence[Batch], run: Run = RUN, **options: Any
) -> tuple[Exported, list[list[str]]]:
    """Export batches in the wide form; return the result, and the lines of the CSV file."""
    await store(SqliteSink(folder / "run.sqlite"), run, batches)
    done = export(folder / "run.sqlite", folder / "out.csv", format="csv", wide=True, **options)
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return done, list(csv.reader(file))


def one(channel: Channel, tick: int | None, seconds: float, value: Any, unit: str | None = "degC") -> Batch:
    return Batch("bus", tick, [Sample(channel=channel, stamp=stamp(RUN, seconds), value=value, unit=unit)])


async def test_a_row_is_a_tick_and_a_column_a_channel(tmp_path: Path) -> None:
    batches = [
        one(WARM, 0, 0.01, 20.0),
        one(ZONE, 0, 0.02, 30.0),
        one(WARM, 1, 0.51, 21.0),
        one(ZONE, 1, 0.52, 31.0),
    ]
    done, lines = await wide(tmp_path, batches)
    assert lines == [
        ["run", "tick", "time", "oven.process_value[1] [degC]", "oven.process_value[2] [degC]"],
        [RUN.id, "0", "2026-11-20T12:00:00.133456Z", "20.0", "30.0"],
        [RUN.id, "1", "2026-11-20T12:00:00.633456Z", "21.0", "31.0"],
    ]
    assert (done.rows, done.every) == (2, None)


async def test_a_gap_stays_empty(tmp_path: Path) -> None:
    batches = [one(WARM, tick, tick / 2, float(tick)) for tick in range(3)]
    batches += [one(ZONE, 0, 0.1, 7.0)]
    batches += [
        Batch("bus", 1, [missing_sample(ZONE, stamp(RUN, 0.6), Status.MISSING, "no reply")]),
        one(ZONE, 2, 1.1, 9.0),
    ]
    _, lines = await wide(tmp_path, batches)
    assert [line[3:] for line in lines[1:]] == [["0.0", "7.0"], ["1.0", ""], ["2.0", "9.0"]]


async def test_a_slow_port_joins_its_tick_however_late_it_is_stored(tmp_path: Path) -> None:
    fast = [one(WARM, tick, tick / 2 + 0.01, float(tick)) for tick in range(50)]
    slow = [one(GAS, tick, tick / 2 + 0.3, tick + 100.0, "vpm") for tick in range(50)]
    _, lines = await wide(tmp_path, fast + slow)
    assert [line[3:] for line in lines[1:]] == [[f"{tick}.0", f"{tick + 100}.0"] for tick in range(50)]


async def test_a_unit_changed_at_the_panel_gets_a_column_of_its_own(tmp_path: Path) -> None:
    batches = [one(NET, 0, 0.1, 1.5, "g"), one(NET, 1, 0.6, 0.0015, "kg"), one(NET, 2, 1.1, 2.5, "g")]
    _, lines = await wide(tmp_path, batches)
    assert lines[0][3:] == ["balance.net[1] [g]", "balance.net[1] [kg]"]
    assert [line[3:] for line in lines[1:]] == [["1.5", ""], ["", "0.0015"], ["2.5", ""]]


async def test_ticks_of_different_rates_are_not_put_side_by_side(tmp_path: Path) -> None:
    """2 Hz and 10 Hz: a row is half a second, and holds the last value received in it."""
    slow = [one(WARM, tick, tick * 0.5 + 0.01, float(tick)) for tick in range(6)]
    fast = [one(NET, tick, tick * 0.1 + 0.01, tick / 10, "g") for tick in range(30)]
    done, lines = await wide(tmp_path, sorted(slow + fast, key=lambda batch: batch.samples[0].stamp.received_ns))
    assert done.every == 0.5
    assert lines[0][:2] == ["run", "time"]
    assert [line[2:] for line in lines[1:]] == [[f"{n}.0", f"{(n * 5 + 4) / 10}"] for n in range(6)]


@pytest.mark.parametrize("rate", [1.99, 2.01, 2.2, 4.0])
async def test_rates_that_are_nearly_the_same_are_distinguished(tmp_path: Path, rate: float) -> None:
    one_rate = [one(WARM, tick, tick / 2, float(tick)) for tick in range(300)]
    other = [one(GAS, tick, tick / rate, float(tick), "vpm") for tick in range(300)]
    done, _ = await wide(tmp_path, one_rate + other)
    assert done.every is not None


async def test_rows_of_device_paced_channels_are_intervals_of_time(tmp_path: Path) -> None:
    batches = [one(NET, None, 0.1, 1.0, "g"), one(NET, None, 0.9, 2.0, "g"), one(NET, None, 3.5, 3.0, "g")]
    done, lines = await wide(tmp_path, batches, every=1.0)
    assert done.every == 1.0
    assert [(line[1], line[2]) for line in lines[1:]] == [
        ("2026-11-20T12:00:00.123456Z", "2.0"),
        ("2026-11-20T12:00:03.123456Z", "3.0"),
    ]


async def test_two_readings_in_one_tick_are_two_rows(tmp_path: Path) -> None:
    _, lines = await wide(tmp_path, [one(WARM, 0, 0.1, 1.0), one(WARM, 0, 0.2, 2.0), one(WARM, 1, 0.6, 3.0)])
    assert [(line[1], line[3]) for line in lines[1:]] == [("0", "1.0"), ("0", "2.0"), ("1", "3.0")]


async def test_texts_are_shown_where_there_are_no_numbers(tmp_path: Path) -> None:
    batches = [
        one(
            Channel(device="oven", driver="watlow", protocol="stdbus", address=1, parameter="model"),
            0,
            0.1,
            "PM6",
            None,
        )
    ]
    batches += [Batch("bus", 0, [Sample(channel=MODE, stamp=stamp(RUN, 0.2), value=62, unit=None, text="heat")])]
    _, lines = await wide(tmp_path, batches)
    assert lines[0][3:] == ["oven.model[1]", "oven.control_mode[1]"]
    assert lines[1][3:] == ["PM6", "62.0"]


async def test_a_channel_without_a_value_has_an_empty_column(tmp_path: Path) -> None:
    without_value = [Batch("bus", 0, [missing_sample(ZONE, stamp(RUN, 0.1), Status.MISSING, "no reply")])]
    _, lines = await wide(tmp_path, [*without_value, one(WARM, 0, 0.1, 1.0)])
    assert lines[0][3:] == ["oven.process_value[2] [degC]", "oven.process_value[1] [degC]"]
    assert lines[1][3:] == ["", "1.0"]


async def test_runs_follow_each_other(tmp_path: Path) -> None:
    for number in (1, 2):
        run = make_run(number=number)
        await store(SqliteSink(tmp_path / "run.sqlite"), run, list(steady(run, [WARM, GAS], 3)))
    export(tmp_path / "run.sqlite", tmp_path / "out.csv", format="csv", wide=True)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        _, *lines = csv.reader(file)
    assert [(line[0], line[1]) for line in lines] == [
        (f"bench.000{run}", str(tick)) for run in (1, 2) for tick in range(3)
    ]


async def test_parquet_has_numbers_as_numbers(tmp_path: Path) -> None:
    await store(SqliteSink(tmp_path / "run.sqlite"), RUN, list(steady(RUN, [WARM, GAS], 3)))
    chosen = Selection(device="oven")
    export(tmp_path / "run.sqlite", tmp_path / "out.parquet", format="parquet", wide=True, selection=chosen)
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "run": "string",
        "tick": "int64",
        "time": "timestamp[us, tz=UTC]",
        "oven.process_value[1] [degC]": "double",
    }
    assert table["oven.process_value[1] [degC]"].to_pylist() == [0.1, 1.1, 2.1]
