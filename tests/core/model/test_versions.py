"""With which versions a run was recorded."""

from pathlib import Path

import pytest

from riglog.model.run import versions


def test_a_run_names_python_and_every_riglog_distribution() -> None:
    assert {"python", "riglog"} <= versions().keys()
    assert "msgspec" not in versions()


def test_metadata_of_another_package_that_cannot_be_read_does_not_prevent_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, metadata in (
        ("garbled", b"\xff\xfe"),
        ("nameless", b"Metadata-Version: 2.1\n"),
        ("riglog_extra", b"Name: riglog-extra\nVersion: 1.0\n"),
    ):
        (tmp_path / f"{name}-1.0.dist-info").mkdir()
        (tmp_path / f"{name}-1.0.dist-info" / "METADATA").write_bytes(metadata)
    monkeypatch.syspath_prepend(tmp_path)
    assert versions()["riglog-extra"] == "1.0"
