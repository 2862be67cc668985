"""The site of the documentation: it builds without a warning, has every page, and needs no network to be read."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="needs riglog[docs]")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site")]

ROOT = Path(__file__).parents[2]


class Loads(HTMLParser):
    """What a browser loads by itself to show a page: scripts, styles, images, frames; not what a link leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name in ("src", "srcset", "data", "poster") or (tag == "link" and name == "href")):
                self.addresses.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", ROOT / "docs"]
    done = subprocess.run(
        [*command, "-d", path / "cache", ROOT, path / "html"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return path / "html"


def test_the_site_has_every_page_and_lists_it_in_the_contents(site: Path) -> None:
    pages = [page.relative_to(ROOT).with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")]
    start = (site / "README.html").read_text(encoding="utf-8")
    assert len(pages) > 40
    for page in [*pages, *(Path("plugins", name, "README.html") for name in ("watlow", "servomex", "sartorius"))]:
        assert (site / page).exists()
        assert f'href="{page.as_posix()}"' in start, page
    assert "url=README.html" in (site / "index.html").read_text(encoding="utf-8")


def test_no_page_loads_anything_from_a_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.addresses or page.name == "index.html"
        assert [address for address in loads.addresses if re.match(r"(\w+:)?//", address)] == [], page
    for style in site.rglob("*.css"):
        loaded = re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")]+)", style.read_text(encoding="utf-8"))
        assert [address for address in loaded if re.match(r"(\w+:)?//", address)] == [], style


def test_the_python_reference_has_the_public_names_with_their_docstrings(site: Path) -> None:
    page = (site / "docs" / "reference" / "python.html").read_text(encoding="utf-8")
    for name in ("riglog.Manager.add", "riglog.record", "riglog.errors.ReplyTimeoutError", "riglog.sync.open_device"):
        assert f'id="{name}"' in page
    assert "No reply to the request within the timeout." in page
