"""Runs with the versions that recorded them, events with the words of every version, results of several devices."""

from pathlib import Path

import pytest

from riglog.errors import ConfigError
from riglog.model import DeviceResult, EventKind, new_run
from riglog.model.event import RENAMED_KINDS, current_kind
from riglog.model.run import versions
from riglog.testing import LoopClock


async def test_a_run_has_a_readable_identifier_of_its_own() -> None:
    runs = [new_run("kiln-7", LoopClock(), rate_hz=2.0) for _ in range(2)]
    assert runs[0].id != runs[1].id
    assert runs[0].id.rpartition(".")[0] == runs[1].id.rpartition(".")[0]
    assert runs[0].id.startswith("kiln-7.")
    assert (runs[0].name, runs[0].rate_hz, runs[0].rig) == ("kiln-7", 2.0, None)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "ä", "a" * 65, "a\n"])
def test_a_name_that_could_not_be_part_of_a_file_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="invalid run name"):
        new_run(name)


def test_a_run_names_python_and_every_riglog_distribution() -> None:
    assert {"python", "riglog"} <= versions().keys()
    assert "msgspec" not in versions()


def test_metadata_of_another_package_that_cannot_be_read_does_not_prevent_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, metadata in (("garbled", b"\xff\xfe"), ("nameless", b"Metadata-Version: 2.1\n")):
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        (tmp_path / f"{name}-1.0.dist-info" / "METADATA").write_bytes(metadata)
    (tmp_path / "riglog_extra-1.0.dist-info").mkdir()
    (tmp_path / "riglog_extra-1.0.dist-info" / "METADATA").write_text("Name: riglog-extra\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert versions()["riglog-extra"] == "1.0"


@pytest.mark.parametrize(("old", "new"), RENAMED_KINDS.items())
def test_an_event_of_an_early_recording_is_understood(old: str, new: str) -> None:
    assert EventKind(old) is EventKind(new)
    assert current_kind(old) == new


def test_a_kind_of_a_newer_version_is_shown_as_it_is() -> None:
    assert current_kind("port_painted") == "port_painted"
    with pytest.raises(ValueError, match="port_painted"):
        EventKind("port_painted")


def test_the_result_of_a_device_is_a_value_or_an_error() -> None:
    assert DeviceResult("oven", 5).ok
    assert not DeviceResult[int]("oven", None, ConfigError("no")).ok
