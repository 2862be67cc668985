"""NetCDF exports: each row in the group of its channel, with unit, status and origin, as other programs read them."""

import json
import tracemalloc
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from recorded import NET, WARM, make_run, stamp, steady, store, varied

from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.model import Batch, Sample, Status, missing_sample
from riglog.recordings import Selection, contents, export, read
from riglog.sinks import SqliteSink

xarray = pytest.importorskip("xarray")  # another program than the one that writes
h5py = pytest.importorskip("h5py")
pytest.importorskip("h5netcdf")


def groups(path: Path) -> list[Any]:
    """The channels of a file, decoded by the CF conventions."""
    with h5py.File(path) as file:
        names = [name for name in file if name.startswith("channel_")]
    found = []
    for name in names:
        with xarray.open_dataset(
            path, group=name, engine="h5netcdf", decode_times=True, decode_timedelta=False
        ) as opened:
            found.append(opened.load())
    return found


def exported(path: Path, out: Path) -> list[Any]:
    export(path, out, format="nc")
    return groups(out)


async def test_every_row_is_read_back_with_its_unit_status_and_time(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    await store(SqliteSink(path), make_run(), varied(make_run()))
    wanted = list(read(path))
    found = exported(path, tmp_path / "run.nc")
    assert sum(group.sizes["row"] for group in found) == len(wanted)
    for group in found:
        rows = [
            row
            for row in wanted
            if (row.device, row.parameter, row.instance) == (group.device, group.parameter, group.instance)
            and (row.unit == group.attrs.get("units") or row.value is None)
        ]
        assert len(rows) == group.sizes["row"]
        values = [np.nan if row.value is None else row.value for row in rows]
        np.testing.assert_array_equal(group.value.values, values)
        assert group.value.attrs.get("units") == group.attrs.get("units")
        meanings = group.status.flag_meanings.split()
        assert [meanings[flag] for flag in group.status.values] == [row.status for row in rows]
        times = [np.datetime64(datetime.fromisoformat(row.midpoint_at).replace(tzinfo=None)) for row in rows]
        np.testing.assert_array_equal(group.midpoint_at.values, np.array(times, dtype="datetime64[ns]"))
        assert [text or None for text in group.error.values] == [row.error for row in rows]
        assert group.requested_at.isnull().sum() == sum(row.requested_at is None for row in rows)


async def test_a_unit_that_changes_begins_a_group_and_rows_without_a_value_stay_in_it(tmp_path: Path) -> None:
    run = make_run()

    def net(second: int, unit: str | None) -> Sample:
        if unit is None:
            return missing_sample(NET, stamp(run, second), Status.MISSING, "no reply")
        return Sample(channel=NET, stamp=stamp(run, second), value=float(second), unit=unit)

    units = [None, "g", None, "kg", None, "g"]
    await store(
        SqliteSink(tmp_path / "run.sqlite"), run, [Batch("b", n, [net(n, unit)]) for n, unit in enumerate(units)]
    )
    found = exported(tmp_path / "run.sqlite", tmp_path / "run.nc")
    assert [(group.units, group.sizes["row"]) for group in found] == [("g", 4), ("kg", 2)]


async def test_the_origin_is_in_the_attributes_and_hostile_names_are_no_paths(tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "run.sqlite"
    hostile = structs.replace(WARM, device="../../etc/x\x1b[2J", parameter="a/b")
    await store(SqliteSink(path), run, list(steady(run, [hostile], 3)))
    (group,) = exported(path, tmp_path / "run.nc")
    assert group.device == "../../etc/x\x1b[2J"
    with h5py.File(tmp_path / "run.nc") as file:
        assert set(file) == {"channel_0001"}
        assert file.attrs["Conventions"] == "CF-1.11"
        assert json.loads(file.attrs["runs"])[run.id]["host"] == "lab-pc"
        assert file.attrs["rig_files"] == run.rig
        assert file.attrs["heads_of_seals"] == f"run.sqlite {contents(path).head}"


async def test_nothing_is_replaced_but_an_earlier_export(tmp_path: Path) -> None:
    path, out = tmp_path / "run.sqlite", tmp_path / "run.nc"
    await store(SqliteSink(path), make_run(), varied(make_run()))
    export(path, out, format="nc")
    with pytest.raises(StorageError, match="not overwritten"):
        export(path, out, format="nc")
    export(path, out, format="nc", overwrite=True)
    with h5py.File(tmp_path / "other.nc", "w"):
        pass
    with pytest.raises(StorageError, match="is not an export"):
        export(path, tmp_path / "other.nc", format="nc", overwrite=True)
    with pytest.raises(NotARecordingError, match="NetCDF"):
        list(read(out))
    for option in ("wide", "local_time"):
        with pytest.raises(ConfigError, match="group for each channel"):
            export(path, tmp_path / "x.nc", format="nc", **{option: True})
    assert not list(tmp_path.glob(".riglog*"))


async def test_it_is_written_in_pieces(tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "run.sqlite"
    channels = [structs.replace(WARM, instance=n + 1) for n in range(2)]
    await store(SqliteSink(path, keep_bytes=False), run, list(steady(run, channels, 8_500)))
    peaks = []
    for end in ("2026-11-20T12:22:00Z", "2026-11-20T13:30:00Z"):
        tracemalloc.start()
        out = tmp_path / f"{end[11:13]}.nc"
        rows = export(path, out, format="nc", selection=Selection(end=end)).rows
        peaks.append((rows, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    (few, small), (many, large) = peaks
    assert many > 3 * few
    assert large < 1.5 * small
