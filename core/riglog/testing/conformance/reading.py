"""Checks of opening and polling: channels, samples, units, texts, common keys. The line is healthy."""

import re
from collections.abc import Sequence

import pytest

from riglog.device import DRIVER_ERROR, Pace, PortDevice, check_channels, check_poll
from riglog.errors import ConfigError, RiglogError
from riglog.model import NS, Sample, Status
from riglog.protocol import Connection
from riglog.testing.conformance.bench import Bench
from riglog.testing.conformance.subject import Subject
from riglog.testing.conformance.wire import KitTransport, KitWire
from riglog.testing.transcript import load_dialogue
from riglog.testing.virtual_time import EPOCH_NS, LoopClock

POLLS = 8
PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
NO_PARAMETER = "no_such_parameter"


class ReadingChecks(Subject):
    # --- opening

    async def test_connecting_and_making_the_device_send_nothing(self) -> None:
        """`connect` and `device` send nothing: an instrument is not disturbed by being configured."""
        driver = self.port_driver()
        bench = self.bench()
        spec = bench.specs[0]
        assert spec.port is not None
        transport = KitTransport(bench.wire, port=spec.port.name)
        clock = LoopClock()
        client = spec.port.factory(Connection(transport, spec.port.link, clock))
        driver.device(spec.config, client.with_timeout(spec.config.timeout), spec.context(clock))
        assert bench.wire.requests == []

    async def test_opening_only_reads(self) -> None:
        """`open` and `identity` send only requests that change nothing, by `Codec.is_repeatable`."""
        self.port_driver()
        async with self.bench() as bench:
            bench.watch()
            await bench.port_device.open()
            await bench.port_device.identity()
            await bench.port_device.reconnected()
            assert bench.changes.changes == []

    async def test_channels_are_declared_once_and_are_of_this_device(self) -> None:
        """After `open` there is at least one channel; none is of another device, none is declared twice."""
        async with self.bench() as bench:
            assert bench.device.channels
            check_channels(bench.device.channels, bench.device.name)

    async def test_channels_say_where_they_are_from(self) -> None:
        """Driver, protocol and address of a channel are those of its device: `context.channel(…)` fills them in."""
        async with self.bench() as bench:
            spec = bench.specs[0]
            for channel in bench.device.channels:
                assert channel.driver == self.driver.name
                assert channel.protocol == spec.protocol
                assert channel.address in (spec.address, getattr(spec.config, "address", None))

    async def test_parameters_have_plain_names(self) -> None:
        """A parameter is a word of letters, digits and underscores: it becomes a column, and is typed by people."""
        async with self.bench() as bench:
            names = [channel.parameter for channel in bench.device.channels]
            assert [name for name in names if not PARAMETER.fullmatch(name)] == []

    async def test_channels_stay_the_same(self) -> None:
        """Channels do not change while a device is polled, nor when it is opened again."""
        async with self.bench() as bench:
            before = tuple(bench.device.channels)
            await bench.polls(2)
            assert tuple(bench.device.channels) == before
            if isinstance(bench.device, PortDevice):
                await bench.device.open()
                assert tuple(bench.device.channels) == before

    async def test_the_pace_is_the_one_the_driver_states(self) -> None:
        """`pace(config)` of the driver is that of the device: `riglog check` shows it before the port is opened."""
        async with self.bench() as bench:
            assert bench.device.pace is self.driver.pace(bench.specs[0].config)

    # --- polling

    async def test_polling_only_reads(self) -> None:
        """`poll` sends only requests that change nothing."""
        self.port_driver()
        async with self.bench() as bench:
            bench.watch()
            await bench.polls(4)
            assert bench.changes.changes == []
            assert [frame for frame in bench.wire.requests[-1:] if frame not in bench.changes.frames] == []

    async def test_a_poll_gives_one_sample_of_each_channel(self) -> None:
        """A device that is polled returns one sample per channel; one that sends by itself only declared channels."""
        async with self.bench() as bench:
            for _ in range(POLLS):
                polled = await bench.device.poll()
                checked = check_poll(polled, bench.device.channels, bench.device.pace, LoopClock())
                assert checked.problems == ()
                if bench.device.pace is Pace.HOST:
                    assert [sample.channel for sample in polled] == list(bench.device.channels)

    async def test_a_healthy_instrument_gives_values(self) -> None:
        """With an intact line, every channel has a value with status ok: nothing is missing without a reason."""
        async with self.bench() as bench:
            samples = await bench.polls(POLLS)
            bad = [sample for sample in samples if sample.status is not Status.OK]
            assert [f"{sample.channel}: {sample.status} {sample.error}" for sample in bad] == []
            assert {sample.channel for sample in samples} == {*bench.device.channels}

    async def test_values_are_those_of_the_instrument(self) -> None:
        """Each value is what the instrument had at the time of its stamp, in its unit: nothing is old or invented."""
        async with self.bench() as bench:
            self.knows_truth(bench)
            samples = await bench.polls(3 * POLLS, pause=0.37)
            assert any(bench.knows(sample) for sample in samples), "the simulator knows the truth of no channel"
            assert bench.wrong(samples) == []

    async def test_a_sample_can_be_stored(self) -> None:
        """Values are numbers, booleans or texts; texts are printable, on one line: a terminal obeys what is not."""
        async with self.bench() as bench:
            for sample in await bench.polls(POLLS):
                assert unprintable(sample) == []

    async def test_units_are_words_and_stay_the_same(self) -> None:
        """A unit is a word without blanks; the expected unit of a channel is the one of its samples, or unknown."""
        async with self.bench() as bench:
            for sample in await bench.polls(POLLS):
                if sample.value is None:
                    continue
                assert sample.unit is None or (sample.unit.strip() == sample.unit and sample.unit)
                assert sample.channel.unit in (None, sample.unit)

    async def test_stamps_are_those_of_the_clock_of_the_rig(self) -> None:
        """A stamp is made by the client, or with `context.clock`: within the poll, with the latency of the request."""
        clock = LoopClock()
        async with self.bench() as bench:
            for _ in range(POLLS):
                before = clock.utc_ns()
                samples = await bench.poll()
                after = clock.utc_ns()
                for sample in samples:
                    assert DRIVER_ERROR not in (sample.error or ""), sample.error
                    stamp = sample.stamp
                    since = (after if stamp.latency_ns is None else before) - (NS if bench.paced_by_device else 0)
                    assert since <= stamp.received_ns <= after
                    assert stamp.latency_ns is None or 0 <= stamp.latency_ns <= after - before
                    assert abs(stamp.monotonic_ns + EPOCH_NS - stamp.received_ns) <= (stamp.latency_ns or 0) + 1000

    async def test_a_poll_uses_the_line_that_the_caller_holds(self) -> None:
        """`poll(line)` and `identity(line)` use the held line: the port lock is handed down, not taken twice."""
        self.port_driver()
        async with self.bench() as bench:
            self.host_paced(bench)
            device = bench.port_device
            async with device.client.hold() as line:
                samples = await device.poll(line)
                await device.identity(line)
            assert len(samples) == len(device.channels)
            assert len(await device.poll()) == len(device.channels)

    async def test_the_stated_load_is_that_of_a_poll(self) -> None:
        """The bytes of `transactions` are within a factor of two of what polls send: the load of a port is true."""
        driver = self.port_driver()
        async with self.bench() as bench:
            costs = driver.transactions(bench.specs[0].config)
            if not costs:
                pytest.skip("the load is not stated")
            await bench.polls(2)
            before = len(bench.wire.requests)
            await bench.polls(POLLS, pause=1.0)
            sent = sum(map(len, bench.wire.requests[before:])) / POLLS
            stated = sum(cost.sent for cost in costs)
            assert stated / 2 <= sent <= 2 * stated, f"{sent:g} bytes are sent in one poll, {stated} are stated"

    # --- common keys

    async def test_the_rate_of_the_table_is_obeyed(self) -> None:
        """`rate_hz` is set by the core; a device does not override it."""
        async with self.bench({"rate_hz": 7.0}) as bench:
            assert [source.rate_hz for source in bench.rig.sources()] == [7.0]

    async def test_the_parameters_of_the_table_are_obeyed(self) -> None:
        """`parameters` selects channels: those that are named, and no others."""
        async with self.bench() as bench:
            channels = bench.device.channels
        async with self.bench({"parameters": [channels[0].parameter]}) as bench:
            assert {channel.parameter for channel in bench.device.channels} == {channels[0].parameter}
            assert {sample.parameter for sample in await bench.poll()} == {channels[0].parameter}

    async def test_an_unknown_parameter_is_refused_by_name(self) -> None:
        """A parameter that does not exist is an error with its name; it is not left out."""
        with pytest.raises(ConfigError) as caught:
            async with self.bench({"parameters": [NO_PARAMETER]}):
                pass
        assert NO_PARAMETER in f"{caught.value} {caught.value.hint}"

    async def test_the_timeout_of_the_table_is_obeyed(self) -> None:
        """An instrument that is silent is waited for as long as `timeout` says, not as long as the driver likes."""
        self.port_driver()
        seconds = [await self.seconds_of_a_silent_poll(timeout) for timeout in (4.0, 12.0)]
        assert seconds[0] >= 4.0 * 0.9
        assert seconds[1] - seconds[0] >= 6.0, f"with a timeout of 4 and 12 s a silent poll takes {seconds} s"

    async def seconds_of_a_silent_poll(self, timeout: float) -> float:
        clock = LoopClock()
        async with self.bench({"timeout": timeout}) as bench:
            await bench.poll()
            bench.wire.plugged = False
            before = clock.monotonic_ns()
            await bench.poll()
            return (clock.monotonic_ns() - before) / NS

    async def test_an_adapter_that_returns_what_is_sent_is_no_harm_with_echo(self) -> None:
        """`echo = true` removes what a two-wire adapter returns, and the values are right."""
        self.port_driver()
        bench = self.bench({"echo": True})
        bench.wire.echo = True
        async with bench:
            self.host_paced(bench)
            samples = await bench.polls(POLLS)
            assert [sample.error for sample in samples if sample.status is not Status.OK] == []
            assert bench.wrong(samples) == []

    # --- one port, several devices

    async def test_two_devices_of_one_port_do_not_mix(self) -> None:
        """Devices with different addresses share a port; each has its own values."""
        first, second = self.two_tables()
        async with self.bench(first, second) as bench:
            samples = await bench.polls(POLLS)
            assert {sample.device for sample in samples} == {"device-1", "device-2"}
            assert [str(sample.channel) for sample in samples if sample.status is not Status.OK] == []
            assert bench.wrong(samples) == []

    def two_tables(self) -> tuple[dict[str, object], dict[str, object]]:
        """Return the tables of two devices of one port; skip the check if they cannot share one."""
        driver = self.port_driver()
        address = driver.address(self.config())
        if address is None:
            pytest.skip("a device needs the port for itself: address() is None")
        if self.second is not None:
            return {}, dict(self.second)
        if not isinstance(address, int) or "address" not in self.driver.config.__struct_fields__:
            pytest.skip("no second address is known: set `second`")
        return {}, {"address": address + 1}

    # --- identity and discovery

    async def test_the_identity_is_one_printable_text(self) -> None:
        """`identity` returns the same text each time, printable and not empty, or None."""
        async with self.bench() as bench:
            found = [await bench.device.identity() for _ in range(2)]
            assert found[0] == found[1]
            assert found[0] is None or (found[0].strip() and found[0].isprintable())

    async def test_discovery_only_reads_and_finds_the_instrument(self) -> None:
        """`probe` finds the simulated instrument without changing it, and states settings that are a valid table."""
        driver = self.port_driver()
        bench = self.bench()
        spec = bench.specs[0]
        links = [link for link in driver.links_to_probe() if link.protocol == spec.protocol]
        if not links:
            pytest.skip("links_to_probe() has no link of this protocol")
        found = await driver.probe(Connection(KitTransport(bench.wire, port="probe"), links[0], LoopClock()))
        assert found, "probe() does not find the simulated instrument"
        for one in found:
            self.config(**{"protocol": one.protocol, **one.settings})
            assert one.identity.isprintable()

    async def test_discovery_of_an_empty_port_finds_nothing(self) -> None:
        """No reply is an empty result, not an error."""
        driver = self.port_driver()
        for link in [link for link in driver.links_to_probe() if link.protocol == self.bench().specs[0].protocol][:1]:
            wire = KitWire(self.bench().wire.simulator)
            wire.plugged = False
            assert list(await driver.probe(Connection(KitTransport(wire, port="probe"), link, LoopClock()))) == []

    async def test_a_device_that_is_off_is_an_error_and_not_a_bug(self) -> None:
        """A device that cannot be opened raises a RiglogError, or gives samples with a reason."""
        self.port_driver()
        message = ""
        try:
            async with self.bench(plugged=False) as bench:
                samples = await bench.poll()
                assert [sample for sample in samples if sample.value is not None or not sample.error] == []
        except RiglogError as error:
            message = error.message
        assert not message.startswith(DRIVER_ERROR), message

    async def test_transcripts_of_real_instruments_give_the_same_values(self) -> None:
        """A session with a real instrument is replayed for ever: the driver sends the same, and reads the same.

        `riglog check --live --evidence FILE` writes it.
        """
        self.port_driver()
        replayed = 0
        for path in self.transcripts():
            dialogue = load_dialogue(path)
            if dialogue.driver == self.driver.name and dialogue.protocol == self.bench().specs[0].protocol:
                assert await dialogue.replay(self.driver) == list(dialogue.readings), path.name
                replayed += 1
        if not replayed:
            pytest.skip("no transcript of a real instrument")

    def knows_truth(self, bench: Bench) -> None:
        """Skip the check if the simulator cannot say what is true."""
        if not bench.truthful:
            pytest.skip("the simulator does not know the truth: make it a riglog.simulation.TruthfulSimulator")


def unprintable(sample: Sample) -> Sequence[str]:
    """Return the texts of a sample that cannot be printed or stored."""
    value = [sample.value] if isinstance(sample.value, str) else []
    texts = [*value, sample.unit, sample.text, sample.error, *sample.flags]
    found = [repr(text) for text in texts if text is not None and not (text.isprintable() and text.strip() == text)]
    return found + [repr(flag) for flag in sample.flags if not flag or flag.split() != [flag]]
