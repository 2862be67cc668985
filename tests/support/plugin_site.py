"""A folder on the path with plugins that a test writes, installed as pip installs them: a module and its metadata."""

from pathlib import Path
from textwrap import dedent

from msgspec import Struct

VENDORS = ",".join(sorted(path.parent.name for path in Path(__file__).parents[2].glob("plugins/*/pyproject.toml")))
"""The plugins of this repository."""

PREFIX = "plugin_in_a_test_"
"""Of the names of modules, so that they can be removed from ``sys.modules``."""

HEALTHY = """
import click
from riglog.plugin import Found, hookimpl
from riglog.transport import Link
from toy import Ask, ToyDriver

RIGLOG_API = 2

class Healthy(ToyDriver):
    name = "healthy"

    def demo(self):
        return [{"name": "toy", "port": "toy-1"}]

    def links_to_probe(self):
        return [Link(protocol="toy")]

    async def probe(self, connection, *, listen=None):
        reply, _ = await self.connect(connection).transact(Ask(1, "who"))
        return [Found("toy", 1, reply, {"address": 1})]

@hookimpl
def riglog_drivers():
    return [Healthy()]

@hookimpl
def riglog_commands(cli):
    @cli.command("healthy")
    def healthy():
        click.echo("in good health")
"""
"""A plugin with everything, around the instrument of ``toy.py``."""


class PluginSite(Struct, frozen=True):
    """``path`` must be on ``sys.path``."""

    path: Path

    def install(self, name: str, source: str | None, entry_point: str | None = None) -> None:
        """Install the plugin ``name`` in the distribution ``riglog-name``; without a source, only its metadata."""
        module = PREFIX + name
        if source is not None:
            (self.path / f"{module}.py").write_text(dedent(source), encoding="utf-8")
        self.metadata(f"riglog-{name.replace('_', '-')}", f"[riglog]\n{name} = {entry_point or module}\n".encode())

    def metadata(self, distribution: str, entry_points: bytes) -> None:
        """Install only the metadata of a distribution, version 1.0."""
        folder = self.path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_bytes(entry_points)
