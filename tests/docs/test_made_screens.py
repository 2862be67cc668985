"""The pictures in the documentation are those that their script makes now."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("matplotlib")
pytestmark = [
    pytest.mark.real_time,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the time zone of a process cannot be set"),
]
FOLDER = Path(__file__).parents[2] / "docs" / "screens"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("make_screens", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("screens")
    script.make(folder, browser=False)
    return folder


@pytest.mark.parametrize("name", ["info.svg", "gaps.svg", "events.svg", "plot.svg"])
def test_a_screen_has_the_texts_that_are_printed_now(script: ModuleType, made: Path, name: str) -> None:
    now, then = (script.texts_of_svg((folder / name).read_text(encoding="utf-8")) for folder in (made, FOLDER))
    assert then == now, "make the screens again: python docs/screens/make.py"
    assert len(now) > 10


def test_the_picture_of_the_report_has_the_texts_of_a_report_now(made: Path) -> None:
    now, then = (json.loads((folder / "report.json").read_text(encoding="utf-8")) for folder in (made, FOLDER))
    assert then == now, "make the screens again: python docs/screens/make.py"
    assert {"Runs", "Charts", "Channels", "Gaps", "Notes", "Events"} <= set(now)
    assert (FOLDER / "report.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_of_the_live_page_is_that_of_the_page_now(script: ModuleType) -> None:
    then = json.loads((FOLDER / "live.json").read_text(encoding="utf-8"))
    assert then == script.static_files(), "make the screens again: python docs/screens/make.py"
    assert (FOLDER / "live.png").read_bytes().startswith(b"\x89PNG")


def test_every_picture_is_shown_on_a_page() -> None:
    pages = [*FOLDER.parents[1].glob("*.md"), *FOLDER.parent.rglob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert [path.name for path in FOLDER.iterdir() if path.suffix in (".svg", ".png") and path.name not in text] == []


def test_what_differs_from_run_to_run_is_not_compared(script: ModuleType) -> None:
    one = script.without_numbers("kiln.20270115T080000Z.5e1f  08:06:40.835  1200 rows, -3.5")
    assert one == script.without_numbers("kiln.20280203T090000Z.77aa 09:00:00.1 12 rows, 4")
    assert one == "kiln.RUN N N rows, N"
