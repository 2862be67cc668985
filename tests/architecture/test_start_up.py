"""What each way to start riglog must not import: it costs time before the first request, and memory ever after."""

import subprocess
import sys

import pytest

PORTS = ("serial", "pymodbus")
STORES = ("sqlite3", "pyarrow", "asyncpg", "riglog.sinks.postgres", "riglog.recordings")
LOOPS = ("anyio", "asyncio", "trio")
SCREEN = ("rich", "click")
VENDORS = (
    "riglog_watlow.driver",
    "riglog_servomex.driver",
    "riglog_sartorius.driver",
    "riglog_modbus.driver",
    "riglog_ascii.driver",
)
OTHERS = (
    "riglog.sinks.csv",
    "riglog.sinks.sqlite.reader",
    "riglog.protocol.modbus.framing",
    "riglog.transport.serial_windows",
    "riglog_watlow.modbus",
)
"""Other stores, reading recordings, another protocol, another operating system."""
METADATA = ("importlib.metadata", "email")
ENTRIES = {
    "riglog --version": (
        "import riglog.cli; sys.argv[1:] = ['--version']; riglog.cli.main()",
        (*SCREEN, *LOOPS, *PORTS, *STORES, *VENDORS, "msgspec", "pluggy", "logging", "riglog.plugin", "riglog.cli.app"),
    ),
    "riglog --help": (
        "import riglog.cli; sys.argv[1:] = ['--help']; riglog.cli.main()",
        ("rich", *LOOPS, *PORTS, *STORES, *VENDORS, "difflib", "riglog.cli.commands", "riglog.device"),
    ),
    "what records one controller": (
        "from riglog import Manager, SqliteSink, new_run, pipe, record; import riglog_watlow.driver",
        (
            *(*SCREEN, *METADATA, *PORTS, *STORES[1:], *OTHERS),
            *("asyncio", "trio", "anyio.from_thread", "secrets", "tomllib", "csv", "difflib", "hashlib"),
        ),
    ),
    "a device by its driver": (
        "from riglog import Manager; import riglog_watlow.driver",
        (*SCREEN, *METADATA, *PORTS, *STORES, "asyncio", "trio", "anyio.from_thread", "riglog.cli"),
    ),
    "riglog.recordings": (
        "import riglog.recordings",
        ("sqlite3", "msgspec", "riglog.sinks", "riglog.recordings.reading"),
    ),
    "what a recording contains": (
        "from riglog.recordings import contents, newest_rows",
        (
            *(*SCREEN, *PORTS, *STORES[1:4], "matplotlib", "numpy", "asyncio", "trio"),
            *("riglog.recordings.charts", "riglog.recordings.reports", "riglog.recordings.exporting"),
            *("riglog.recordings.verification", "riglog.recordings.salvaging", "riglog.recordings.wide"),
        ),
    ),
    "a picture before it is drawn": (
        "from riglog.recordings import read; import riglog.recordings.charts.picture",
        (
            *(*SCREEN, *PORTS, *STORES[1:4], *VENDORS, "matplotlib", "numpy", "riglog.recordings.exporting"),
            *("riglog.recordings.reports", "riglog.recordings.verification", "riglog.recordings.salvaging"),
        ),
    ),
    "a configuration": (
        "from riglog.plugin import DeviceConfig, hookimpl",
        (*SCREEN, *LOOPS, *PORTS, *STORES, *VENDORS, "riglog.device", "riglog.protocol"),
    ),
}


def imported_by(code: str) -> set[str]:
    """Return the modules that code imports, and those that bare Python has not imported by itself."""
    program = f"""
import sys
before = {{*sys.modules}}
try:
    {code}
except SystemExit:
    pass
print(*sorted({{*sys.modules}} - before), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(("code", "unwanted"), ENTRIES.values(), ids=list(ENTRIES))
def test_nothing_is_imported_before_it_is_used(code: str, unwanted: tuple[str, ...]) -> None:
    found = {name for name in imported_by(code) for other in unwanted if f"{name}.".startswith(f"{other}.")}
    assert not found
