"""Whatever is wrong with a plugin: it is listed with the reason, and every command works for the others."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from plugin_site import HEALTHY, PREFIX, PluginSite
from processes import running
from terminal import rig, riglog
from toy import ToySimulator

from riglog.cli import loading
from riglog.cli.app import COMMANDS, cli
from riglog.errors import UnknownDriverError
from riglog.manager import discovery
from riglog.plugin import guard, installed
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
    "keyboard": Broken("raise KeyboardInterrupt", "import failed: KeyboardInterrupt"),
    "generatorexit": Broken("raise GeneratorExit", "import failed: GeneratorExit"),
    "base": Broken("class Odd(BaseException): pass\nraise Odd('odd')", "import failed: Odd: odd"),
    "cancelled": Broken("import asyncio\nraise asyncio.CancelledError", "import failed: CancelledError"),
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
    "hookinterrupts": Broken(
        hook("riglog_drivers", "raise KeyboardInterrupt"), "riglog_drivers() failed: KeyboardInterrupt"
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
    "cmdinterrupts": Broken(
        hook("riglog_commands", "raise KeyboardInterrupt", "cli"), "riglog_commands() failed: KeyboardInterrupt"
    ),
    "cmdclears": Broken(hook("riglog_commands", "cli.commands.clear()", "cli"), "brings nothing", state="loaded"),
    "cmdobject": Broken(
        hook("riglog_commands", "cli.commands['odd'] = 5", "cli"), "command odd: it is not a click.Command"
    ),
    "interruptsitscheck": Broken(
        driver("inter").replace("[Bare()]", "[Odd()]")
        + "class Odd(Bare):\n    @property\n    def summary(self): raise KeyboardInterrupt\n",
        "driver inter: cannot be checked: KeyboardInterrupt",
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


PRESSED = "import signal\nsignal.raise_signal(signal.SIGINT)\n"
"""As Ctrl-C in a terminal, while the plugin is imported."""


@pytest.mark.parametrize(
    "source",
    [
        PRESSED,
        f"try:\n    exec({PRESSED!r})\nexcept BaseException: pass",
        f"try:\n    exec({PRESSED!r})\nexcept BaseException as error: raise ImportError from error",
        hook("riglog_drivers", PRESSED.replace("\n", ";")),
        driver("d", "    @property\n    def protocols(self):\n        import signal; signal.raise_signal(2)"),
    ],
)
def test_ctrl_c_in_code_of_a_plugin_ends_the_command_also_if_the_plugin_catches_it(
    site: PluginSite, run: Run, tmp_path: Path, source: str
) -> None:
    site.install("healthy", HEALTHY)
    site.install("pressed", source)
    handler = signal.getsignal(signal.SIGINT)
    for command in (["plugins"], ["check", str(rig(tmp_path, {"name": "toy", "driver": "healthy", "port": "sim:x"}))]):
        installed.cache_clear()
        for module in [name for name in sys.modules if name.startswith(PREFIX)]:
            del sys.modules[module]
        done = run(*command)
        assert (done.code, done.out, done.err.strip()) == (130, "", "")
        assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_that_a_plugin_installs_is_kept(site: PluginSite, run: Run) -> None:
    site.install("handler", f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{API}")
    before = signal.getsignal(signal.SIGINT)
    try:
        assert run("plugins").code == 0
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def environment(site: PluginSite) -> dict[str, str]:
    """For a process that imports the plugins of the site."""
    support = Path(__file__).parents[2] / "support"
    return {"PYTHONPATH": os.pathsep.join([str(site.path), str(support), os.environ.get("PYTHONPATH", "")])}


WAITING = """
import pathlib, time
pathlib.Path("begun").touch()
while not pathlib.Path("go").exists(): time.sleep(0.01)
"""
"""A plugin whose import does not return before a file is there."""


@contextmanager
def importing(site: PluginSite, folder: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process until it imports the plugin that waits."""
    options = {"cwd": folder, "env": {**os.environ, **environment(site)}}
    with running([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        deadline = time.monotonic() + 30
        while not (folder / "begun").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        yield process


@pytest.mark.real_time
@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize("command", [["plugins"], ["record", "rig.toml"], ["check", "rig.toml"], ["read", "x"]])
def test_ctrl_c_ends_a_command_whose_plugin_is_never_imported(
    site: PluginSite, tmp_path: Path, command: list[str]
) -> None:
    site.install("waiting", WAITING)
    rig(tmp_path, {"name": "toy", "driver": "healthy", "port": "sim:x"})
    with importing(site, tmp_path, "-m", "riglog", *command) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.strip()) == (130, "", "")


PROGRAM = """
import anyio, sys
from riglog.plugin import guard, installed

async def main():
    load = installed if sys.argv[2] == "here" else lambda: None
    load()
    registry = await anyio.to_thread.run_sync(installed)
    await anyio.sleep(0)
    print({plugin.name: plugin.problem for plugin in registry.plugins if plugin.state == "failed"})

anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.real_time
@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("where", ["here", "in a thread"])
@pytest.mark.parametrize("pressed", [True, False])
def test_a_program_with_an_event_loop_ends_by_ctrl_c_and_not_by_a_plugin_that_raises_the_same(
    site: PluginSite, tmp_path: Path, backend: str, where: str, pressed: bool
) -> None:
    site.install("waiting", f"{WAITING}\nraise KeyboardInterrupt")
    with importing(site, tmp_path, "-c", PROGRAM, backend, where) as process:
        if pressed:
            process.send_signal(signal.SIGINT)
        (tmp_path / "go").touch()
        out, err = process.communicate(timeout=30)
    if pressed:
        assert (process.returncode, out) == (-signal.SIGINT, "")
        assert "KeyboardInterrupt" in err
    else:
        assert (process.returncode, err) == (0, "")
        assert out == "{'waiting': 'import failed: KeyboardInterrupt'}\n"


def test_a_plugin_whose_import_takes_long_is_named_while_it_does(
    site: PluginSite, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import waits until the warning is there."""
    named = threading.Event()
    monkeypatch.setattr(loading, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(loading, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(guard, "named_in_a_test", named, raising=False)
    warn = loading.print_warning

    def warned(text: str) -> None:
        warn(text)
        named.set()

    monkeypatch.setattr(loading, "print_warning", warned)
    site.install("slow", f"from riglog.plugin import guard\nguard.named_in_a_test.wait(30)\n{API}")
    done = run("plugins")
    assert done.code == 0
    assert "warning: plugin riglog-slow: not loaded after 0 s. If this does not end, disable it" in done.err


def test_no_plugin_can_use_the_name_of_a_command_of_riglog() -> None:
    assert set(COMMANDS) == CORE_COMMANDS


@pytest.mark.real_time
@pytest.mark.parametrize(
    "name", ["sysexit", "keyboard", "cancelled", "printer", "cmdexits", "cmdinterrupts", "noattrs"]
)
def test_the_installed_program_works_beside_a_broken_plugin(site: PluginSite, name: str) -> None:
    install(site, name, BROKEN[name])
    listed = riglog("plugins", "--json", **environment(site))
    assert listed.code == 0
    assert "Traceback" not in listed.err
    assert BROKEN[name].reason in str(listed.json) or BROKEN[name].state == "loaded"
    assert riglog("read", "healthy", "--port", "sim:x", "--json", **environment(site)).code == 0
