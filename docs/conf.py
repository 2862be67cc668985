"""The site of the documentation, built by Sphinx from the Markdown pages as they stand in the repository.

    sphinx-build -W -c docs . build/site

The source folder is the repository, so that a link between two pages is the same here and on a Git host. The table of
contents and the reference of the Python API exist in the site only: they are added while the pages are read.
"""

import re
from importlib import import_module
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "riglog"
author = "the authors of riglog"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "plugins/*/README.md", "benchmarks/README.md", "examples/*/README.md"]
exclude_patterns = ["build", "**/.*", ".*", "core", "tests"]
myst_heading_anchors = 4
smartquotes = False  # "--help" is not a dash
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "riglog"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]

autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
toc_object_entries = False

CONTENTS = {
    "Start": ["docs/tutorial"],
    "How to": ["docs/how-to/*"],
    "Instruments": ["docs/instruments/*"],
    "Reference": ["docs/reference/*"],
    "Why": ["docs/explanation/*"],
    "Plugins": ["plugins/*/README", "examples/*/README"],
    "Project": ["CHANGELOG", "CONTRIBUTING", "benchmarks/README", "docs/decisions/*"],
}


def contents(readme: str) -> str:
    """Return the table of contents: the pages of each part, in the order in which the README lists them."""
    listed = re.findall(r"\]\(([\w/-]+)\.md\)", readme.partition("## Where to find what")[2])
    parts = []
    for caption, patterns in CONTENTS.items():
        paths = [path for pattern in patterns for path in sorted(ROOT.glob(f"{pattern}.md"))]
        pages = [path.relative_to(ROOT).with_suffix("").as_posix() for path in paths]
        pages.sort(key=lambda page: listed.index(page) if page in listed else len(listed))
        parts += ["", "```{toctree}", ":hidden:", ":titlesonly:", f":caption: {caption}", "", *pages, "```"]
    return "\n".join(parts) + "\n"


def python_reference(page: str) -> str:
    """Return the directives for every public name, each in the first of the public modules that has it."""
    policy = (ROOT / "docs" / "reference" / "api-policy.md").read_text(encoding="utf-8")
    written, described = [], dict[int, str]()
    for name in re.findall(r"^\| `(riglog[\w.]*)` \|", policy, re.MULTILINE):
        module = import_module(name)
        directives, elsewhere = [f".. automodule:: {name}", "   :no-members:", ""], []
        for member in sorted(module.__all__):
            value = getattr(module, member)
            home = described.setdefault(id(value), name)
            if home == name:
                kind = "autoclass" if isclass(value) else "autofunction" if callable(value) else "py:data"
                directives.append(f".. {kind}:: {name}.{member}")
            else:
                elsewhere.append(f"`{home}.{member}`")
        written += [f"\n## {name}\n", "```{eval-rst}", *directives, "```", ""]
        written += ["The same as above: " + ", ".join(elsewhere) + "."] if elsewhere else []
    return "\n".join(written) + "\n"


ADDED = {"README": contents, "docs/reference/python": python_reference}


def add_to_page(app: "Sphinx", page: str, source: list[str]) -> None:
    if page in ADDED:
        source[0] += ADDED[page](source[0])


def write_index(app: "Sphinx", error: Exception | None) -> None:
    (Path(app.outdir) / "index.html").write_text(
        '<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=README.html">\n', "utf-8"
    )


def setup(app: "Sphinx") -> dict[str, Any]:
    app.connect("source-read", add_to_page)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True}
