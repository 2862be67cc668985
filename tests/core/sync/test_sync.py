"""riglog.sync: the same API without async, from a script, several threads and listeners."""

import ast
import inspect
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from processes import running
from sync_stub import STUB, content, stub
from toy import Metronome, ToyDriver

import riglog
from riglog import sync
from riglog.plugin import Registry
from riglog.sync.proxies import Blocking

pytestmark = pytest.mark.real_time


def test_the_names_are_those_of_riglog() -> None:
    assert {*dir(sync)} == {*dir(riglog), "Device"}
    for name in set(dir(riglog)) - {
        "ActiveRun",
        "Manager",
        "open_device",
        "open_rig",
        "pipe",
        "record",
        "record_rig",
        "note",
    }:
        assert getattr(sync, name) is getattr(riglog, name)
        assert not inspect.iscoroutinefunction(getattr(sync, name))


def test_what_type_checkers_read_is_made_from_the_asynchronous_api() -> None:
    """Otherwise run ``python tests/support/sync_stub.py``."""
    assert content(STUB.read_text(encoding="utf-8")) == content(stub())


def test_every_name_that_type_checkers_read_is_there(registry: Registry) -> None:
    classes = {node.name: node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ClassDef)}
    with sync.Manager(registry=registry) as manager:
        device = manager.add("one", "sim:bus", driver="toy")
        with sync.record(manager, rate_hz=100) as run:
            for name, value in (("Manager", manager), ("Device", device), ("ActiveRun", run)):
                members = {getattr(each, "name", "__init__") for each in classes[name].body}
                assert [member for member in members if not hasattr(value, member)] == []


def test_a_device_is_polled_and_closed(toy: ToyDriver) -> None:
    device = sync.open_device(toy, "sim:bus")
    assert [sample.value for sample in device.poll()] == [3.0, 4.0]
    assert device.name == "toy"
    assert "Toy 'toy' over toy" in repr(device)
    device.close()
    device.close()
    with pytest.raises(riglog.PortError):
        device.client.transport.receive()


def test_a_rig_is_recorded_into_a_file(registry: Registry, tmp_path: Path) -> None:
    with sync.Manager(registry=registry) as manager:
        manager.add("one", "sim:bus", driver="toy")
        manager.add("two", "sim:bus", driver="toy", address=2)
        assert manager.names == ["one", "two"]
        with sync.record(manager, rate_hz=50, duration=0.2) as run:
            (result,) = sync.pipe(run, tmp_path / "run.sqlite")
        assert result.written == run.summary.samples == 40
    assert len(list(sync.read(tmp_path / "run.sqlite"))) == 40
    assert manager.closed


def test_a_run_is_iterated_over_by_batch_and_by_slot(registry: Registry) -> None:
    with sync.Manager(registry=registry) as manager:
        manager.add("one", "sim:a", driver="toy")
        manager.add("two", "sim:b", driver="toy")
        with sync.record(manager, rate_hz=50, duration=0.1) as run:
            assert sum(len(batch) for batch in run) == 20
        with sync.record(manager, rate_hz=50, duration=0.1) as run:
            assert [len(tick) for tick in run.ticks()] == [4] * 5


def test_leaving_the_block_ends_the_recording(registry: Registry) -> None:
    with sync.Manager(registry=registry) as manager:
        manager.add("one", "sim:bus", driver="toy")
        with sync.record(manager, rate_hz=100) as run:
            next(iter(run))
        assert run.summary.finished_at is not None


def test_operations_on_devices_are_ordinary_functions(registry: Registry) -> None:
    with sync.Manager(registry=registry) as manager:
        manager.add("one", "sim:bus", driver="toy")
        manager.add("two", "sim:bus", driver="toy", address=2)
        results = manager.execute_each(lambda device: device.poll()[0].device)
        assert {name: result.value for name, result in results.items()} == {"one": "one", "two": "two"}
        named = manager.execute(lambda device, request: (device.name, request), {"one": 1, "two": 2})
        assert [result.value for result in named.values()] == [("one", 1), ("two", 2)]


def test_errors_are_raised_as_they_are(registry: Registry) -> None:
    with sync.Manager(registry=registry) as manager:
        with pytest.raises(riglog.ConfigError, match="unknown driver"):
            manager.add("one", "sim:bus", driver="tyo")
        with pytest.raises(AttributeError):
            manager.pol()  # type: ignore[attr-defined]
        with pytest.raises(TypeError, match="Manager cannot be iterated over"):
            iter(manager)  # type: ignore[call-overload]
    with pytest.raises(riglog.ConfigError), sync.record(Metronome(), rate_hz=-1):
        pass
    with pytest.raises(ZeroDivisionError), sync.Manager() as manager:
        1 / 0  # noqa: B018
    assert manager.closed


def test_several_threads_use_one_rig(registry: Registry) -> None:
    with sync.Manager(registry=registry) as manager:
        devices = [manager.add(f"d{number}", "sim:bus", driver="toy", address=number) for number in range(1, 5)]
        values: dict[str, list[object]] = {}

        def poll(device: sync.Device) -> None:
            values[device.name] = [sample.device for _ in range(20) for sample in device.poll()]

        threads = [threading.Thread(target=poll, args=(device,)) for device in devices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert values == {device.name: [device.name] * 40 for device in devices}


def test_a_rig_file_is_recorded_until_another_thread_stops_it(registry: Registry, tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('[run]\nrate_hz = 50\n[[device]]\nname = "one"\ndriver = "toy"\nport = "sim:bus"\n')
    stop, started = threading.Event(), []

    def on_start(run: sync.ActiveRun) -> None:
        started.append(run.summary.samples)  # a listener may look, and not wait
        with pytest.raises(RuntimeError, match="a listener cannot wait"):
            next(iter(run))
        threading.Timer(0.2, stop.set).start()

    outcome = sync.record_rig(rig, registry=registry, stop=stop, on_start=on_start, out=tmp_path / "run.sqlite")
    assert started == [0]
    assert outcome.summary.samples > 0
    with pytest.raises(riglog.ConfigError):
        sync.record_rig(tmp_path / "missing.toml", stop=stop)


def test_blocking_objects_stand_for_one_object(registry: Registry) -> None:
    with sync.Manager(registry=registry) as manager:
        device = manager.add("one", "sim:bus", driver="toy")
        assert isinstance(device, Blocking)
        assert manager.get("one") == device
        assert hash(manager.get("one")) == hash(device)
        assert device != manager
        assert {"poll", "close", "name"} <= {*dir(device)}


SCRIPT = """
import sys
import riglog.sync as riglog
from toy import ToyDriver
try:
    with riglog.Manager() as rig:
        rig.add("one", "sim:bus", driver=ToyDriver())
        with riglog.record(rig, rate_hz=50) as run:
            print("recording", flush=True)
            riglog.pipe(run, sys.argv[1])
except KeyboardInterrupt:
    print("interrupted", len(list(riglog.read(sys.argv[1]))) > 0, rig.closed)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_ctrl_c_stores_what_was_received_and_closes_the_rig(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "run.sqlite")]
    with running(command, stdout=subprocess.PIPE, env=environment) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "recording\n"
        threading.Event().wait(0.5)
        program.send_signal(signal.SIGINT)
        assert program.stdout.read() == "interrupted True True\n"
        assert program.wait(20) == 0


def test_what_is_open_is_closed_at_the_end_of_the_program(tmp_path: Path) -> None:
    script = (
        "import riglog.sync as riglog; from toy import ToyDriver\n"
        'device = riglog.open_device(ToyDriver(), "sim:bus")\n'
        "run = riglog.record(device, rate_hz=50); next(iter(run)); print('end')"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, env=environment
    )
    assert (done.stdout, done.stderr, done.returncode) == ("end\n", "", 0)


def test_a_with_block_suppresses_no_exception_and_type_checkers_know_it() -> None:
    assert STUB.read_text().count("def __exit__(self, *_: object) -> None: ...") == 3
    with pytest.raises(ZeroDivisionError), sync.Manager():
        raise ZeroDivisionError
