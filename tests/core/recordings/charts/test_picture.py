"""Pictures: matplotlib gets the numbers of the chart, labels are text, and no file is replaced."""

import importlib
import math
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from pictured import HOSTILE, pictured
from recorded import WARM, make_run, stamp, store

from riglog import Batch, Sample, SqliteSink
from riglog.cli.app import cli
from riglog.errors import ConfigError, StorageError
from riglog.recordings import read
from riglog.recordings.charts.chart import CHANNELS_OF_A_PANEL
from riglog.recordings.charts.picture import LARGEST, Picture
from riglog.recordings.local_times import LocalZone, time_labels

pytest.importorskip("matplotlib")
SIGNATURES = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictured(tmp_path_factory.mktemp("picture") / "kiln.sqlite", 40, 60)


@pytest.fixture(scope="module")
def picture(recording: Path) -> Picture:
    return read(recording).plot()


def texts(figure: Any) -> Iterator[Any]:
    from matplotlib.text import Text

    yield from (text for text in figure.findobj(Text) if text.get_text())


def test_what_matplotlib_draws_is_what_sql_gives(recording: Path, picture: Picture) -> None:
    query = """SELECT received_ns / 86400e9, value FROM samples
        WHERE device || '.' || parameter || iif(instance = 1, '', '[' || instance || ']') = ? AND value IS NOT NULL"""
    compared = 0
    with closing(sqlite3.connect(recording)) as database:
        for axis in picture.figure.axes[1:]:
            names = [text.get_text().strip() for text in axis.get_legend().get_texts()]
            lines = [line for line in axis.get_lines() if len(line.get_xdata()) > 2]
            for name, line in zip(names, lines, strict=False):
                drawn = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
                drawn = [(x, float(y)) for x, y in drawn if not math.isnan(y)]
                stored = database.execute(query, (name,)).fetchall()
                assert [value for _, value in drawn] == [value for _, value in stored]
                assert [x for x, _ in drawn] == pytest.approx([x for x, _ in stored], abs=1e-9, rel=0)
                compared += 1
    assert compared == 40


def test_alarms_of_two_runs_share_the_height_of_a_panel(tmp_path: Path) -> None:
    path = pictured(tmp_path / "two.sqlite", 1, 60, runs=2)
    picture = read(path).plot(compare=("kiln.0000", "kiln.0001"), align="alarm_raised")
    axis = picture.figure.axes[1]
    heights = {
        patch.get_extents().transformed(axis.transAxes.inverted()).intervaly.round(2).tolist()[0]
        for patch in axis.patches
    }
    assert heights == {0.0, 0.5}
    labels = [text.get_text().strip() for text in axis.get_legend().get_texts()]
    assert [label for label in labels if "alarm" in label] == [
        "alarm hot (kiln.0000, above)",
        "alarm hot (kiln.0001, below)",
    ]
    assert axis.get_xlabel() == "time since the first alarm_raised of each run"


def test_forty_channels_are_in_several_panels_with_different_colours(picture: Picture) -> None:
    for axis in picture.figure.axes[1:]:
        labels = [text.get_text() for text in axis.get_legend().get_texts()]
        channels = [label for label in labels if "oven" in label]
        assert len(channels) <= CHANNELS_OF_A_PANEL
        colours = {line.get_color() for line in axis.get_lines() if len(line.get_xdata()) > 2}
        assert len(colours) == len(channels)


def test_no_text_is_cut_off_or_lies_on_another_one(picture: Picture) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(picture.figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = picture.figure.bbox.width, picture.figure.bbox.height
    numbers = {id(text) for axis in picture.figure.axes for text in axis.get_yticklabels()}  # also those out of sight
    shown = [text for text in texts(picture.figure) if text.get_visible() and id(text) not in numbers]
    boxes = [box for text in shown if (box := text.get_window_extent(renderer)).width]
    assert len(boxes) > 50
    for box in boxes:
        assert 0 <= box.x0 <= box.x1 <= width
        assert 0 <= box.y0 <= box.y1 <= height
    assert sum(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place]) == 0


def test_labels_of_instruments_and_users_are_text(picture: Picture) -> None:
    found = [text for text in texts(picture.figure) if "script" in text.get_text()]
    assert len(found) == 1
    assert not found[0].get_parse_math()
    assert not any(character in text.get_text() for text in texts(picture.figure) for character in "\x1b\u202e")
    assert HOSTILE[:25].encode() not in picture.content("svg")


def test_the_legend_names_statuses_and_alarms(picture: Picture) -> None:
    labels = [text.get_text().strip() for text in picture.figure.axes[1].get_legend().get_texts()]
    assert labels[-3:] == ["suspect", "fault", "alarm hot"]
    strip = [text.get_text().strip() for text in picture.figure.axes[0].get_legend().get_texts()]
    assert strip == ["note", "failure", "other event"]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_replaces_only_an_earlier_one_in_its_format(recording: Path, tmp_path: Path, ending: str) -> None:
    rows, out = read(recording, device="oven1"), tmp_path / f"kiln.{ending}"
    rows.plot(out)
    before = out.read_bytes()
    assert before.startswith(SIGNATURES[ending])
    with pytest.raises(StorageError, match="was not overwritten"):
        rows.plot(out)
    rows.plot(out, overwrite=True)
    assert out.read_bytes() == before  # nothing in it depends on the moment
    out.write_bytes(SIGNATURES[ending] + b" of another program")
    with pytest.raises(StorageError, match=f"is not a picture in {ending}"):
        rows.plot(out, overwrite=True)
    assert sorted(tmp_path.iterdir()) == [out]


def test_a_recording_is_never_replaced_and_an_unknown_ending_is_refused(recording: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake.png"
    fake.write_bytes(recording.read_bytes())
    with pytest.raises(StorageError, match="is not a picture"):
        read(recording).plot(fake, overwrite=True)
    with pytest.raises(ConfigError, match="unknown ending"):
        read(recording).plot(tmp_path / "kiln.gif")


def test_a_notebook_shows_a_picture(recording: Path, picture: Picture) -> None:
    assert picture._repr_png_().startswith(SIGNATURES["png"])
    assert (read(recording, device="oven1")._repr_png_() or b"").startswith(SIGNATURES["png"])


def test_without_matplotlib_a_notebook_is_not_disturbed_and_plot_states_what_to_install(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("riglog.sinks.optional_dependencies.import_module", missing)
    assert read(recording)._repr_png_() is None
    with pytest.raises(ConfigError) as caught:
        read(recording).plot()
    assert caught.value.hint == 'Install it: pip install "riglog[plot]"'


def test_absurd_values_have_a_picture(tmp_path: Path) -> None:
    path, run = tmp_path / "a.sqlite", make_run()
    values = (1.7e308, -1.7e308, 20.0, None, 1e300, 5e-324)
    samples = [Sample(channel=WARM, stamp=stamp(run, at), value=value, unit="$") for at, value in enumerate(values)]
    anyio.run(store, SqliteSink(path), run, [Batch("bus", at, [sample]) for at, sample in enumerate(samples)])
    picture = read(path).plot()
    assert picture.content("png").startswith(SIGNATURES["png"])
    drawn = [float(value) for value in picture.figure.axes[1].get_lines()[0].get_ydata()]
    assert repr(drawn) == repr([LARGEST, -LARGEST, 20.0, math.nan, 1e300, 5e-324])


def test_an_empty_time_is_a_picture_that_states_it(recording: Path) -> None:
    figure = read(recording, start="2027-01-01", end="2027-01-02").plot().figure
    assert "no numbers in this time" in [text.get_text() for text in texts(figure)]


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if os.name == "nt":
        pytest.skip("the time zone of a process cannot be set")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_the_offset_stands_where_it_changes() -> None:
    zone = LocalZone()
    midnight = datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()
    moments = [datetime.fromtimestamp(midnight + 3600 * hour, zone) for hour in range(6)]
    assert time_labels(moments) == [
        "00:00\n2026-10-25\n+02:00",
        "01:00",
        "02:00",
        "02:00\n2026-10-25\n+01:00",
        "03:00",
        "04:00",
    ]


@pytest.mark.usefixtures("berlin")
def test_the_local_zone_is_that_of_the_computer_at_each_moment() -> None:
    for at in (0.0, 1_795_176_000.0, 1_792_888_200.0, 1_792_891_800.0, 1_774_746_000.0):
        expected = datetime.fromtimestamp(at, UTC).astimezone()
        found = datetime.fromtimestamp(at, LocalZone())
        assert (found.replace(tzinfo=None), found.utcoffset()) == (
            expected.replace(tzinfo=None),
            expected.utcoffset(),
        )
        assert found.timestamp() == at


def test_the_command_writes_a_picture_of_the_name_of_the_recording(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def plot(*arguments: str) -> None:
        cli.main(["plot", str(recording), *arguments], standalone_mode=False)

    for wrong, text in (
        (["--run", "other"], "no run 'other'"),
        (["--last", "1h", "--from", "2026-11-20"], "--last: cannot be combined"),
        (["--compare", "kiln", "kiln", "--run", "kiln"], "--compare: cannot be combined"),
        (["--align", "note"], "--align needs --compare"),
        (["--out", "kiln.gif"], "unknown ending"),
    ):
        with pytest.raises(ConfigError, match=text):
            plot(*wrong)
    plot("--channel", "oven1.*", "--last", "30s")
    assert "picture written to kiln.png" in capsys.readouterr().err
    assert (tmp_path / "kiln.png").read_bytes().startswith(SIGNATURES["png"])
    with pytest.raises(StorageError, match="was not overwritten"):
        plot()


def test_matplotlib_is_imported_when_a_picture_is_drawn() -> None:
    module = importlib.import_module("riglog.recordings")
    code = f"import sys, {module.__name__}, riglog.cli.commands.plot; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
