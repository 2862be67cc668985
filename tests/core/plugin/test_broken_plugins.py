"""Whatever is wrong with a plugin: it is listed with the reason, and every command works for the others."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from plugin_site import HEALTHY, PluginSite
from terminal import rig, riglog
from toy import ToySimulator

from riglog.cli.app import COMMANDS, cli
from riglog.errors import UnknownDriverError
from riglog.manager import discovery
from riglog.plugin import installed
from riglog.plugin.guard import DriverFault
from riglog.plugin.hooks import CORE_COMMANDS
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport
from riglog.transport import Transport

API = "from riglog.plugin import hookimpl\nRIGLOG_API = 2\n"
DRIVER = """
from riglog.plugin import hookimpl, Driver, DirectDriver, DeviceConfig, DirectConfig
from toy import ToyDriver
RIGLOG_API = 2
class Bare(Driver):
    name = "NAME"; summary = "s"; protocols = ("p",); config = DeviceConfig
    def link(self, config): pass
    def connect(self, connection): pass
    def device(self, config, client, context): pass
    def simulator(self, config): pass
@hookimpl
def riglog_drivers(): return [Bare()]
"""


class Broken(Struct, frozen=True):
    """A plugin with a defect. ``reason`` is in what ``riglog plugins`` says of it."""

    source: str | None
    reason: str
    entry_point: str | None = None
    state: str = "failed"


def driver(name: str, body: str = "", **changed: str) -> str:
    """A plugin with one driver; ``body`` is added to its class, ``changed`` are attributes with another value."""
    source = DRIVER.replace("NAME", name)
    for attribute, value in changed.items():
        body += f"\n    {attribute} = {value}"
    return source.replace("    def simulator(self, config): pass\n", f"    def simulator(self, config): pass\n{body}\n")


def toy(name: str, body: str) -> str:
    """A plugin with a driver that works but for ``body``."""
    return f"{API}from toy import ToyDriver\nclass Named(ToyDriver):\n    name = {name!r}\n{body}\n" + (
        "@hookimpl\ndef riglog_drivers(): return [Named()]\n"
    )


def hook(name: str, body: str, argument: str = "") -> str:
    return f"{API}@hookimpl\ndef {name}({argument}):\n    {body}\n"


SAME = "also registered by riglog-{}. Uninstall one of them, or disable it with RIGLOG_DISABLED_PLUGINS"

BROKEN: dict[str, Broken] = {
    # at import
    "importerror": Broken("raise ImportError('no such thing')", "import failed: ImportError: no such thing"),
    "missingdep": Broken("import nidaqmx", "import failed: ModuleNotFoundError: No module named 'nidaqmx'"),
    "syntaxerror": Broken("def x(:\n", "import failed: SyntaxError: invalid syntax"),
    "sysexit": Broken("import sys; sys.exit('bye')", "import failed: SystemExit: bye"),
    "nomodule": Broken(None, "import failed: ModuleNotFoundError", "does_not_exist_xyz"),
    "attr": Broken("RIGLOG_API = 2", "has no attribute 'plugin'", "plugin_in_a_test_attr:plugin"),
    "unspeakable": Broken(
        "class Mute(Exception):\n    def __str__(self): raise RuntimeError\nraise Mute", "import failed: Mute"
    ),
    "manylines": Broken("raise RuntimeError('one\\n\\ntwo')", "import failed: RuntimeError: one two"),
    "printer": Broken(f"print('noise on stdout')\n{API}", "brings nothing", state="loaded"),
    # the API
    "api1": Broken("RIGLOG_API = 1", "requires plugin API 1; this riglog provides plugin API 2"),
    "noapi": Broken(
        "from riglog.plugin import hookimpl", "does not declare RIGLOG_API; this riglog provides plugin API 2"
    ),
    # the hooks
    "misspelt": Broken(
        hook("riglog_driver", "return []"),
        "unknown hook riglog_driver; available hooks: riglog_commands, riglog_drivers, riglog_sinks",
    ),
    "argument": Broken(hook("riglog_drivers", "return []", "nonsense"), "registration failed: PluginValidationError"),
    "nomark": Broken(
        "RIGLOG_API = 2\ndef riglog_drivers(): return []",
        "brings nothing: no hook implementation found (is @hookimpl missing?)",
        state="loaded",
    ),
    "nohooks": Broken("RIGLOG_API = 2", "brings nothing: no hook implementation found", state="loaded"),
    "empty": Broken(hook("riglog_drivers", "return []"), "brings nothing: its hooks register no", state="loaded"),
    "hookraises": Broken(
        hook("riglog_drivers", "raise RuntimeError('boom')"), "riglog_drivers() failed: RuntimeError: boom"
    ),
    "hookexits": Broken(
        hook("riglog_drivers", "raise SystemExit('boom')"), "riglog_drivers() failed: SystemExit: boom"
    ),
    "none": Broken(
        hook("riglog_drivers", "pass"), "riglog_drivers() failed: TypeError: returned NoneType instead of a list"
    ),
    "hookprints": Broken(hook("riglog_drivers", "print('noise'); return []"), "brings nothing", state="loaded"),
    "generator": Broken(hook("riglog_drivers", "yield 1 / 0"), "riglog_drivers() failed: ZeroDivisionError"),
    # drivers
    "notdriver": Broken(
        hook("riglog_drivers", "return [object()]"), "driver object: it is not a Driver or DirectDriver"
    ),
    "aclass": Broken(
        driver("aclass").replace("[Bare()]", "[Bare]"), "driver aclass: it is a class; register an instance: Bare()"
    ),
    "abstract": Broken(
        driver("abstract").replace("    def connect(self, connection): pass\n", ""),
        "riglog_drivers() failed: TypeError: Can't instantiate abstract class Bare",
    ),
    "notcallable": Broken(
        driver("notcallable", link="None", probe="1"), "driver notcallable: not implemented: link, probe"
    ),
    "noattrs": Broken(
        driver("noattrs").replace('summary = "s"; protocols = ("p",); config = DeviceConfig', ""),
        "driver noattrs: summary is missing; expected one line of text",
    ),
    "noname": Broken(driver("noname").replace('name = "noname"; ', ""), "driver Bare: name is missing"),
    "badname": Broken(driver("a name"), "driver a name: invalid name 'a name'; expected a name of letters, digits"),
    "nosummary": Broken(driver("nosummary", summary="' '"), "driver nosummary: invalid summary ' '"),
    "noprotocols": Broken(driver("noprotocols", protocols="()"), "driver noprotocols: protocols is missing"),
    "atextofprotocols": Broken(driver("text", protocols='"ascii"'), "driver text: invalid protocols 'ascii'"),
    "noconfig": Broken(driver("noconfig", config="dict"), "driver noconfig: config must be a subclass of DeviceConfig"),
    "directconfig": Broken(
        driver("directconfig", config="DirectConfig"), "driver directconfig: config must be a subclass of DeviceConfig"
    ),
    "configofanother": Broken(
        f"{DRIVER}class Card(DirectDriver):\n    name = 'card'; summary = 's'; config = DeviceConfig\n"
        "    async def open(self, config, context): pass\n"
        "@hookimpl\ndef riglog_drivers(): return [Card()]\n",
        "driver card: config of a DirectDriver must be a subclass of DirectConfig, and not of DeviceConfig",
    ),
    "strangetypes": Broken(
        driver("strangetypes", config="type('Odd', (DeviceConfig,), {'__annotations__': {'x': 'Undefined'}})"),
        "driver strangetypes: config Odd cannot be used: NameError: name 'Undefined' is not defined",
    ),
    "property": Broken(
        driver("property", "    @property\n    def summary(self): return 1 / 0"),
        "driver property: cannot be checked: ZeroDivisionError: division by zero",
    ),
    # names that are taken
    "steals": Broken(toy("victim", ""), f"duplicate driver name 'victim', {SAME.format('victim')}"),
    "sinksteal": Broken(
        hook(
            "riglog_sinks",
            "from riglog.sinks import SinkType, FileConfig; return [SinkType('sqlite', 'evil', FileConfig, print)]",
        ),
        "sink type sqlite: the name belongs to riglog itself",
    ),
    "clobber": Broken(
        hook("riglog_commands", "cli.command('record')(lambda: print('CLOBBERED'))", "cli"),
        "command record: the name belongs to riglog itself",
    ),
    "commandsteal": Broken(
        hook("riglog_commands", "cli.command('victim')(lambda: print('CLOBBERED'))", "cli"),
        f"duplicate command name 'victim', {SAME.format('victim')}",
    ),
    # sinks
    "sinkclass": Broken(
        hook("riglog_sinks", "from riglog.sinks import SinkType; return [SinkType]"),
        "sink type SinkType: it is a class; register an instance: SinkType()",
    ),
    "sinkconfig": Broken(
        hook("riglog_sinks", "from riglog.sinks import SinkType; return [SinkType('odd', 'evil', dict, print)]"),
        "sink type odd: config must be a subclass of SinkConfig",
    ),
    "sinkcreate": Broken(
        hook(
            "riglog_sinks",
            "from riglog.sinks import SinkType, FileConfig; return [SinkType('odd', 'evil', FileConfig, None)]",
        ),
        "sink type odd: create must be a function",
    ),
    # commands
    "cmdraises": Broken(
        hook("riglog_commands", "raise RuntimeError('boom')", "cli"), "riglog_commands() failed: RuntimeError: boom"
    ),
    "cmdexits": Broken(
        hook("riglog_commands", "raise SystemExit(3)", "cli"), "riglog_commands() failed: SystemExit: 3"
    ),
    "cmdclears": Broken(hook("riglog_commands", "cli.commands.clear()", "cli"), "brings nothing", state="loaded"),
    "cmdobject": Broken(
        hook("riglog_commands", "cli.commands['odd'] = 5", "cli"), "command odd: it is not a click.Command"
    ),
    "cmdhelp": Broken(
        hook("riglog_commands", "cli.command('odd', help=5)(print)", "cli"),
        "command odd: cannot be checked: AttributeError",
    ),
}

LOADED_AND_FAULTY: dict[str, tuple[str, str]] = {
    "demoraises": (toy("d", "    def demo(self): return 1 / 0"), "demo() failed: ZeroDivisionError: division by zero"),
    "demoexits": (toy("d", "    def demo(self): raise SystemExit(3)"), "demo() failed: SystemExit: 3"),
    "demonone": (toy("d", "    def demo(self): pass"), "demo() failed: TypeError: 'NoneType' object is not iterable"),
    "demotext": (
        toy("d", "    def demo(self): return ['x']"),
        "demo() failed: TypeError: 'str' object is not a mapping",
    ),
    "demokeys": (
        toy("d", "    def demo(self): return [{'name': 'x', 'prt': 'y'}]"),
        "demo() failed: ConfigError: table.prt: unknown key",
    ),
    "demolink": (
        toy("d", "    def demo(self): return [{'name': 'x', 'port': 'y'}]\n    def link(self, config): pass"),
        "demo() failed: TypeError: returned NoneType instead of Link",
    ),
    "demosimulator": (
        toy("d", "    def demo(self): return [{'name': 'x', 'port': 'y'}]\n    def simulator(self, config): 1 / 0"),
        "demo() failed: ZeroDivisionError: division by zero",
    ),
    "linksraise": (
        toy("d", "    def links_to_probe(self): return 1 / 0"),
        "ZeroDivisionError: division by zero",
    ),
    "linksnone": (
        toy("d", "    def links_to_probe(self): pass"),
        "TypeError: returned NoneType instead of a list",
    ),
    "proberaises": (
        toy("d", "    links_to_probe = lambda self: [self.link(self.config(name='x', driver='d', port='y'))]\n"
                 "    async def probe(self, connection, *, listen=None): return 1 / 0"),
        "ZeroDivisionError: division by zero",
    ),
    "probeprotocol": (
        toy("d", "    links_to_probe = lambda self: [self.link(self.config(name='x', driver='d', port='y'))]\n"
                 "    async def probe(self, connection, *, listen=None):\n"
                 "        from riglog.errors import ReplyTimeoutError\n"
                 "        raise ReplyTimeoutError('no reply')"),
        "ReplyTimeoutError: no reply",
    ),
    "probestrings": (
        toy("d", "    links_to_probe = lambda self: [self.link(self.config(name='x', driver='d', port='y'))]\n"
                 "    async def probe(self, connection, *, listen=None): return ['x']"),
        "TypeError: returned a list with str instead of Found",
    ),
}  # fmt: skip
"""Plugins that load, with a driver that fails later; and what a warning says of it."""


class Done(Struct, frozen=True):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command in this process, as ``riglog`` would. Ports are the simulated instrument of ``toy.py``."""

    async def simulated(port: str, *_: Any) -> Transport:
        return SimulatedTransport(FaultyWire(SimulatedBus([ToySimulator(1)])))

    monkeypatch.setattr(discovery, "open_transport", simulated)
    monkeypatch.setattr(cli, "commands", {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")

    def run_command(*arguments: str) -> Done:
        from riglog.cli import main

        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["riglog", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, out, err)

    return run_command


def install(site: PluginSite, name: str, broken: Broken) -> None:
    """Install a broken plugin, a healthy one, and one whose names the broken one may have taken."""
    site.install("healthy", HEALTHY)
    site.install("victim", HEALTHY.replace("healthy", "victim").replace("def demo", "def no_demo"))
    site.install(name, broken.source, broken.entry_point)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason(site: PluginSite, run: Run, name: str) -> None:
    broken = BROKEN[name]
    install(site, name, broken)
    listed = run("plugins", "--json")
    assert listed.code == 0, listed.err
    plugins = {plugin["name"]: plugin for plugin in json.loads(listed.out)["plugins"]}
    assert "sqlite" in {sink["name"] for sink in json.loads(listed.out)["sinks"]}
    (found,) = [plugin for plugin in installed().plugins if plugin.name == name]
    assert found.state == broken.state
    assert broken.reason in str(found.problem or found.warning)
    assert plugins[name]["problem"] == found.problem
    assert plugins["healthy"]["problem"] is None
    shown = run("plugins")
    assert shown.code == 0, shown.err
    assert broken.reason in shown.out


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_stops_no_command(site: PluginSite, run: Run, tmp_path: Path, name: str) -> None:
    install(site, name, BROKEN[name])
    checked = run("check", str(rig(tmp_path, {"name": "toy", "driver": "healthy", "port": "sim:x"})))
    assert checked.code == 0, checked.err
    read = run("read", "healthy", "--port", "sim:x", "--json")
    assert [row["parameter"] for row in json.loads(read.out) if row["value"]] == ["level", "flow"]
    found = run("discover", "--port", "anywhere", "--driver", "healthy", "--json")
    assert found.err == "anywhere: probing for healthy at 9600 baud 8N1\nreading healthy-1 on anywhere (1 of 1)\n"
    assert [(one["driver"], one["identity"]) for one in json.loads(found.out)] == [("healthy", "toy")]
    assert run("discover").code == 0
    helped = run("record", "--help")
    assert helped.code == 0
    assert "Usage: riglog record" in helped.out
    assert "healthy" in run("--help").out
    assert run("healthy").out == "in good health\n"


@pytest.mark.real_time
@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
@pytest.mark.parametrize("name", BROKEN)
def test_the_demo_records_the_others(site: PluginSite, run: Run, name: str) -> None:
    install(site, name, BROKEN[name])
    done = run("demo", "--duration", "0.05s", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["samples"] == 2


@pytest.mark.parametrize("name", LOADED_AND_FAULTY)
def test_a_driver_that_fails_in_demo_or_discover_is_a_warning(site: PluginSite, run: Run, name: str) -> None:
    source, warning = LOADED_AND_FAULTY[name]
    site.install("healthy", HEALTHY)
    site.install(name, source)
    assert {plugin.name: plugin.problem for plugin in installed().plugins}[name] is None
    if "demo" in name:
        faults: list[DriverFault] = []
        assert [table["name"] for table in installed().demo_tables(faults.append)] == ["toy"]
        assert [str(fault)[: len(warning) + 10] for fault in faults] == [f"driver d: {warning}"]
    else:
        found = run("discover", "--port", "here", "--port", "there", "--json")
        assert [one["driver"] for one in json.loads(found.out)] == ["healthy", "healthy"]
        assert found.err.count(f"driver d failed (bug in the plugin): {warning}") == 1


def test_devices_and_ports_of_one_name_in_two_demos_are_kept_apart(site: PluginSite) -> None:
    site.install("healthy", HEALTHY)
    site.install("other", HEALTHY.replace('"healthy"', '"other"'))
    assert [(table["name"], table["port"], table["driver"]) for table in installed().demo_tables()] == [
        ("toy", "toy-1", "healthy"),
        ("other-toy", "other-toy-1", "other"),
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("    def check(self, config): 1 / 0", "check(): ZeroDivisionError: division by zero"),
        ("    def link(self, config): pass", "link(): TypeError: returned NoneType instead of Link"),
        ("    def link(self, config): 1 / 0", "link(): ZeroDivisionError: division by zero"),
        ("    def client_factory(self, link): 1 / 0", "client_factory(): ZeroDivisionError: division by zero"),
        ("    def address(self, config): 1 / 0", "address(): ZeroDivisionError: division by zero"),
    ],
)
def test_a_bug_in_the_driver_of_a_rig_is_one_line_beside_the_other_mistakes(
    site: PluginSite, run: Run, tmp_path: Path, body: str, error: str
) -> None:
    site.install("d", toy("d", body))
    site.install("healthy", HEALTHY)
    devices = [{"name": name, "driver": driver, "port": f"sim:{name}"} for name, driver in (("a", "d"), ("b", "none"))]
    checked = run("check", str(rig(tmp_path, *devices)))
    assert checked.code == 2
    bug, other = checked.err.splitlines()
    assert f"driver error (bug in the plugin): {error}" in bug
    assert "unknown driver 'none'" in other


@pytest.mark.real_time
@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("    def connect(self, connection): 1 / 0", "connect(): ZeroDivisionError: division by zero"),
        ("    def device(self, *_): 1 / 0", "device(): ZeroDivisionError: division by zero"),
        ("    def device(self, *_): pass", "device(): TypeError: returned NoneType instead of Device"),
        (
            "    def device(self, *context):\n        made = super().device(*context)\n"
            "        made.open = lambda: 1 / 0\n        return made",
            "open(): ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_bug_in_opening_a_device_is_one_line_and_the_demo_records_the_others(
    site: PluginSite, run: Run, tmp_path: Path, body: str, error: str
) -> None:
    site.install("healthy", HEALTHY)
    site.install("d", toy("d", f"    def demo(self): return [{{'name': 'x', 'port': 'y'}}]\n{body}"))
    live = run("check", str(rig(tmp_path, {"name": "x", "driver": "d", "port": "sim:x"})), "--live")
    assert live.code == 3
    assert f"driver error (bug in the plugin): {error}" in live.err
    done = run("demo", "--duration", "0.05s", "--json")
    assert done.code == 0
    assert json.loads(done.out)["samples"] == 2
    (warning,) = [line for line in done.err.splitlines() if line.startswith("warning:")]
    assert warning.startswith("warning: driver d: opening its instruments failed: DeviceError: ")
    assert f"driver error (bug in the plugin): {error}" in warning


@pytest.mark.parametrize("transactions", ["1 / 0", "pass", "return [None]", "return [TransactionCost(None, 1)]"])
def test_a_driver_that_cannot_tell_its_load_is_one_whose_load_is_unknown(
    site: PluginSite, run: Run, tmp_path: Path, transactions: str
) -> None:
    head = "    def transactions(self, config):\n        from riglog.protocol import TransactionCost\n        "
    site.install("d", toy("d", head + transactions))
    checked = run("check", str(rig(tmp_path, {"name": "a", "driver": "d", "port": "/dev/ttyUSB0"})))
    assert checked.code == 0, checked.err


def test_a_driver_name_that_two_plugins_use_belongs_to_neither(site: PluginSite) -> None:
    """Also the vendor's own: a plugin cannot take a driver from another one."""
    site.install("healthy", HEALTHY)
    site.install("thief", toy("healthy", ""))
    assert list(installed().drivers) == []
    problems = {plugin.name: str(plugin.problem) for plugin in installed().plugins}
    assert f"duplicate driver name 'healthy', {SAME.format('thief')}" in problems["healthy"]
    assert f"duplicate driver name 'healthy', {SAME.format('healthy')}" in problems["thief"]
    with pytest.raises(UnknownDriverError) as caught:
        installed().driver("healthy")
    assert "riglog-healthy" in str(caught.value.hint)
    assert "riglog-thief" in str(caught.value.hint)


def test_of_a_plugin_with_one_bad_driver_the_others_are_there(site: PluginSite) -> None:
    site.install("two", f"{toy('good', '')}    ".replace("[Named()]", "[Named(), Named]"))
    assert list(installed().drivers) == ["good"]
    (found,) = [plugin for plugin in installed().plugins if plugin.name == "two"]
    assert found.problem == "driver good: it is a class; register an instance: Named()"


def test_ctrl_c_during_an_import_ends_the_command(site: PluginSite, run: Run) -> None:
    site.install("kbd", "raise KeyboardInterrupt")
    assert run("plugins").code == 130


def test_no_plugin_can_use_the_name_of_a_command_of_riglog() -> None:
    assert set(COMMANDS) == CORE_COMMANDS


@pytest.mark.real_time
@pytest.mark.parametrize("name", ["sysexit", "printer", "cmdexits", "noattrs"])
def test_the_installed_program_works_beside_a_broken_plugin(site: PluginSite, name: str) -> None:
    install(site, name, BROKEN[name])
    support = Path(__file__).parents[2] / "support"
    path = os.pathsep.join([str(site.path), str(support), os.environ.get("PYTHONPATH", "")])
    listed = riglog("plugins", "--json", PYTHONPATH=path)
    assert listed.code == 0
    assert "Traceback" not in listed.err
    assert BROKEN[name].reason in str(listed.json) or BROKEN[name].state == "loaded"
    assert riglog("read", "healthy", "--port", "sim:x", "--json", PYTHONPATH=path).code == 0
