"""Plugins are loaded each on its own: one that fails is listed with its reason, and the others work."""

import logging
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest
from plugin_site import HEALTHY, PREFIX, VENDORS, PluginSite

from riglog.errors import UnknownDriverError
from riglog.model import new_run
from riglog.plugin import API_VERSION, Plugin, Registry, load_plugins
from riglog.plugin.loader import DISABLED

Load = Callable[..., Registry]
API = "from riglog.plugin import hookimpl\nRIGLOG_API = 2\n"


def plugin(registry: Registry, name: str) -> Plugin:
    (found,) = [plugin for plugin in registry.plugins if plugin.name == name]
    return found


def test_a_plugin_is_loaded_from_its_entry_point(load: Load) -> None:
    registry = load(healthy=HEALTHY)
    found = plugin(registry, "healthy")
    assert (found.distribution, found.version, found.state) == ("riglog-healthy", "1.0", "loaded")
    assert (found.problem, found.warning, found.traceback) == (None, None, None)
    assert registry.driver("healthy").summary == "an instrument for tests"


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("1", "requires plugin API 1; this riglog provides plugin API 2"),
        ("3", "requires plugin API 3; this riglog provides plugin API 2"),
        ("(3, 4)", "requires plugin API 3 to 4; this riglog provides plugin API 2"),
        ("(0, 1)", "requires plugin API 0 to 1; this riglog provides plugin API 2"),
        ("None", "does not declare RIGLOG_API; this riglog provides plugin API 2"),
        ("'2'", "invalid RIGLOG_API '2'; expected a number, or the lowest and the highest number"),
        ("True", "invalid RIGLOG_API True; expected a number, or the lowest and the highest number"),
        ("(3, 1)", "invalid RIGLOG_API (3, 1); expected a number, or the lowest and the highest number"),
        ("(1, 2, 3)", "invalid RIGLOG_API (1, 2, 3); expected a number, or the lowest and the highest number"),
        ("2", None),
        ("(1, 2)", None),
        ("(2, 2)", None),
        ("(2, 9)", None),
    ],
)
def test_a_plugin_is_loaded_if_its_api_versions_and_those_of_riglog_overlap(
    load: Load, declared: str, problem: str | None
) -> None:
    assert API_VERSION == 2
    found = plugin(load(versions=HEALTHY.replace("RIGLOG_API = 2", f"RIGLOG_API = {declared}")), "versions")
    assert found.problem == problem
    assert found.state == ("loaded" if problem is None else "failed")


def test_the_range_that_riglog_provides_is_named(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    from riglog.plugin import hooks

    monkeypatch.setattr(hooks, "OLDEST_API", 2)
    monkeypatch.setattr(hooks, "API_VERSION", 4)
    registry = load(old="RIGLOG_API = 1", middle=HEALTHY.replace("RIGLOG_API = 2", "RIGLOG_API = 3"))
    assert plugin(registry, "old").problem == "requires plugin API 1; this riglog provides plugin API 2 to 4"
    assert plugin(registry, "middle").state == "loaded"


def test_two_plugins_of_one_name_are_both_refused_and_both_named() -> None:
    points = [EntryPoint("same", "json", "riglog"), EntryPoint("same", "math", "riglog")]
    registry = Registry(load_plugins(points, disabled=[]))
    assert [plugin.problem for plugin in registry.plugins] == [
        f"duplicate plugin name 'same', also registered by same. Uninstall one of them, or disable it with {DISABLED}"
    ] * 2


def test_a_disabled_plugin_is_not_even_imported(site: PluginSite, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        site.install(name, HEALTHY)
    monkeypatch.setenv(DISABLED, f"{VENDORS}, one,riglog-two")  # a plugin, or its distribution
    registry = Registry(load_plugins())
    assert not {PREFIX + "one", PREFIX + "two"} & sys.modules.keys()
    for name in ("one", "two"):
        found = plugin(registry, name)
        assert (found.state, found.problem, found.traceback) == ("disabled", f"disabled by {DISABLED}", None)
        with pytest.raises(UnknownDriverError) as caught:
            registry.driver(name)
        assert caught.value.hint == f"Plugin riglog-{name} is installed but disabled by {DISABLED}"


def test_of_two_plugins_of_one_name_the_other_can_be_disabled() -> None:
    """By the name of its distribution: that of the plugin is the same."""

    class Distribution:
        def __init__(self, name: str) -> None:
            self.name, self.version = name, "1.0"

    points = [EntryPoint("same", module, "riglog") for module in ("json", "math")]
    for point, name in zip(points, ("riglog-a", "riglog-b"), strict=True):
        vars(point)["dist"] = Distribution(name)
    assert [plugin.state for plugin in load_plugins(points, disabled=[]).plugins] == ["failed", "failed"]
    assert "also registered by riglog-b" in str(load_plugins(points, disabled=[]).plugins[0].problem)
    one, other = load_plugins(points, disabled=["riglog-a"]).plugins
    assert one.state == "disabled"
    assert other.problem == "does not declare RIGLOG_API; this riglog provides plugin API 2"


def test_a_driver_of_a_failed_plugin_is_refused_with_the_reason(load: Load) -> None:
    registry = load(nidaqmx="import no_such_library", healthy=HEALTHY)
    with pytest.raises(UnknownDriverError) as caught:
        registry.driver("nidaqmx")
    assert caught.value.hint == (
        "Plugin riglog-nidaqmx is installed but failed to load: "
        "import failed: ModuleNotFoundError: No module named 'no_such_library'"
    )
    with pytest.raises(UnknownDriverError, match="unknown driver 'helthy'") as caught:
        registry.driver("helthy")
    assert str(caught.value.hint).startswith(
        "Did you mean 'healthy'? Available: healthy. "
        "Plugins that failed to load (see `riglog plugins`): riglog-nidaqmx. Vendor drivers"
    )


def test_the_package_of_a_missing_vendor_plugin_is_named(load: Load) -> None:
    with pytest.raises(UnknownDriverError) as caught:
        load(healthy=HEALTHY).driver("modbus-gadget")
    assert "Vendor drivers are separate packages: `pip install riglog-VENDOR`" in str(caught.value.hint)
    with pytest.raises(UnknownDriverError) as caught:
        Registry(load_plugins([])).driver("servomex")
    assert caught.value.hint == "Available: none. To install its plugin: `pip install riglog-servomex`"


def test_the_traceback_of_a_failed_plugin_begins_in_the_plugin(load: Load) -> None:
    source = API + "def helper():\n    raise RuntimeError('boom')\n"
    registry = load(imports=source + "helper()\n", hooks=source + "@hookimpl\ndef riglog_drivers():\n    helper()\n")
    for name, problem in (
        ("imports", "import failed: RuntimeError: boom"),
        ("hooks", "riglog_drivers() failed: RuntimeError: boom"),
    ):
        found = plugin(registry, name)
        assert found.problem == problem
        lines = str(found.traceback).splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert f"{PREFIX}{name}.py" in lines[1]
        assert lines[-1] == "RuntimeError: boom"


def test_every_failed_plugin_is_one_warning_in_the_log_and_nothing_is_printed(
    load: Load, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING, "riglog"):
        registry = load(old="RIGLOG_API = 1", hook=API + "@hookimpl\ndef riglog_drivers(): 1 / 0\n", healthy=HEALTHY)
        _ = registry.plugins, registry.plugins
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "riglog.plugin",
            "WARNING",
            "plugin riglog-old failed to load: requires plugin API 1; this riglog provides plugin API 2",
        ),
        (
            "riglog.plugin",
            "WARNING",
            "plugin riglog-hook: riglog_drivers() failed: ZeroDivisionError: division by zero",
        ),
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        b"[console_scripts]\nthing\n",
        b"[console_scripts]\n= x:y\n",
        b"\xff\xfe broken",
        b"[a]\nx = y\n[a]\nx = y\nx = z\n",
        b"[riglog]\n\xff\n",
        b"[riglog]\nx\n",
        b"[riglog]\n= y\n",
        b"\x00",
        b"",
    ],
)
def test_metadata_that_cannot_be_read_affects_no_plugin(site: PluginSite, load: Load, text: bytes) -> None:
    site.metadata("somebody-else", text)
    nameless = site.path / "nameless-1.0.dist-info"
    nameless.mkdir()
    (nameless / "entry_points.txt").write_bytes(text)
    assert plugin(load(healthy=HEALTHY), "healthy").state == "loaded"


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        b"",
        b"Version: 1\n",
        b"Name: riglog-nameless\n",
        b"\xff\xfe\x00\x01Name: \xe9\n",
        "Name: x\nVersion: 1\n".encode("utf-16"),
        b"Name: x\x00y\nVersion: 1.0\n",
        b"Name: a\nName: b\nVersion: 1.0\n",
        b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\nRequires-Dist: ;;;\n",
        "folder",
        "link",
    ],
)
@pytest.mark.parametrize(
    "points", [b"[riglog]\nfoo = not a : valid ! value\n", b"[riglog]\nfoo =\n", b"x = y\n", "link"]
)
def test_whatever_a_package_has_as_metadata_affects_no_plugin_and_no_run(
    site: PluginSite, load: Load, metadata: bytes | str | None, points: bytes | str
) -> None:
    folder = site.path / "nameless-1.0.dist-info"
    folder.mkdir()
    for name, content in (("METADATA", metadata), ("entry_points.txt", points)):
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        elif content == "folder":
            (folder / name).mkdir()
        elif content == "link":
            (folder / name).symlink_to(name)  # to itself
    assert plugin(load(healthy=HEALTHY), "healthy").state == "loaded"
    assert all(isinstance(version, str) for version in new_run("r").versions.values())


def test_of_two_versions_of_a_distribution_the_first_on_the_path_counts(site: PluginSite, load: Load) -> None:
    """Also if the metadata of another package makes Python's own way fail."""
    site.metadata("somebody-else", b"\xff\xfe broken")
    older = site.path / "riglog_healthy-0.9.egg-info"
    older.mkdir()
    (older / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: riglog-healthy\nVersion: 0.9\n")
    (older / "entry_points.txt").write_text(f"[riglog]\nhealthy = {PREFIX}healthy\n")
    assert plugin(load(healthy=HEALTHY), "healthy").state == "loaded"
