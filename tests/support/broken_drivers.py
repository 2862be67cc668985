"""One driver for each check of the conformance kit that is broken in just this point. ``BROKEN`` lists them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from meter import (
    LETTERS,
    UNITS,
    Ask,
    Meter,
    MeterClient,
    MeterCodec,
    MeterConfig,
    MeterDriver,
    MeterReader,
    MeterSimulator,
    framed,
    unframed,
)
from msgspec import Struct, structs

from riglog.device import Pace, missing
from riglog.device.frame_reader import FrameKind, FrameReader, Incomplete, SeenFrame
from riglog.errors import (
    ConfigError,
    ConnectionLostError,
    DeviceError,
    MalformedReplyError,
    ReplyTimeoutError,
    RiglogError,
)
from riglog.model import SYSTEM_CLOCK, Channel, ParameterWrite, Sample, Stamp, Status
from riglog.plugin import DeviceContext, Found
from riglog.protocol import Connection, ProtocolClient, TransactionCost
from riglog.simulation import Fault, Simulator
from riglog.testing import DriverConformance
from riglog.transport import Link


class MeterKit(DriverConformance):
    """The kit for the driver that does everything right."""

    driver = MeterDriver()
    options = {"address": 7}
    writes = {"limit": "12.5"}
    installed = False

    def other_instrument(self, config: Any) -> Simulator | None:
        return MeterSimulator(config.address, "SN1")


class Broken(Struct, frozen=True):
    """``check`` fails, with ``argument`` if it is parametrised; ``also`` are others that see the same mistake."""

    check: str
    kit: type[DriverConformance]
    argument: Any = None
    also: tuple[str, ...] = ()


BROKEN: list[Broken] = []


def breaks(check: str, argument: Any = None, *, also: Sequence[str] = (), **attributes: Any) -> Callable[[type], type]:
    """Let a driver, device, codec or config class be the reason why a check fails."""

    def add(part: type) -> type:
        driver = part if issubclass(part, MeterDriver) else driver_of(part)
        made = {"driver": driver(), **attributes}
        BROKEN.append(Broken(f"test_{check}", type("Broken", (MeterKit,), made), argument, tuple(also)))
        return part

    return add


def driver_of(part: Any) -> type[MeterDriver]:
    """Return the driver with one part in place of its own."""

    class Changed(MeterDriver):
        config = part if issubclass(part, MeterConfig) else MeterConfig

        def connect(self, connection: Connection) -> MeterClient:
            codec = part() if issubclass(part, MeterCodec) else MeterCodec()
            return ProtocolClient(connection, codec, timeout=0.3)

        def device(self, config: MeterConfig, client: MeterClient, context: DeviceContext) -> Meter:
            return part(client, context) if issubclass(part, Meter) else Meter(client, context)

    return Changed


# --- registration and configuration


@breaks("the_driver_is_valid")
class NoSummary(MeterDriver):
    summary = ""


@breaks("the_demo_shows_it")
class WrongDemo(MeterDriver):
    def demo(self) -> Sequence[Mapping[str, Any]]:
        return [{"name": "meter", "port": "meter-1", "adress": 7}]


BROKEN.append(
    Broken(
        "test_the_configuration_of_the_kit_is_valid",
        type("Broken", (MeterKit,), {"options": {"adress": 7}}),
        also=("*",),
    )
)


@breaks("an_unknown_key_is_refused_by_name")
class AnyKey(MeterConfig, kw_only=True, frozen=True, forbid_unknown_fields=False):
    pass


@breaks("a_wrong_value_of_a_common_key_is_refused_by_name", "timeout")
class AnyTimeout(MeterConfig, kw_only=True, frozen=True):
    timeout: Any = None


@breaks("a_wrong_value_of_each_own_key_is_refused_by_name")
class AnyColour(MeterConfig, kw_only=True, frozen=True):
    colour: Any = None


@breaks("an_unknown_protocol_is_refused_by_name")
class DefaultProtocol(MeterConfig, kw_only=True, frozen=True):
    def __post_init__(self) -> None:
        structs.force_setattr(self, "protocol", None)


@breaks("an_impossible_address_is_refused_by_name")
class AnyAddress(MeterConfig, kw_only=True, frozen=True):
    address: int = 1


@breaks("the_protocol_of_the_table_is_the_one_of_the_link")
class OneProtocol(MeterDriver):
    protocols = ("meter-ascii", "meter-binary")


@breaks("a_serial_setting_of_the_table_is_the_one_of_the_link", "parity")
class UsualParity(MeterDriver):
    def link(self, config: MeterConfig) -> Link:
        return structs.replace(super().link(config), parity="N")


@breaks(
    "the_link_depends_on_the_settings_of_the_port_only",
    also=["two_devices_of_one_port_do_not_mix", "a_listener_to_a_faulty_line_records_no_wrong_value"],
)
class LinkOfAddress(MeterDriver):
    def link(self, config: MeterConfig) -> Link:
        return structs.replace(super().link(config), late_reply_limit=10.0 + config.address)


@breaks("devices_of_one_port_have_one_client_factory", also=["two_devices_of_one_port_do_not_mix"])
class ManyFactories(MeterDriver):
    def client_factory(self, link: Link) -> Callable[[Connection], MeterClient]:
        return lambda connection: self.connect(connection)


@breaks("the_stated_load_is_one_of_transactions", also=["the_stated_load_is_that_of_a_poll"])
class NoLoad(MeterDriver):
    def transactions(self, config: MeterConfig) -> Sequence[TransactionCost]:
        return [TransactionCost(0, 0)]


# --- opening and polling


@breaks(
    "connecting_and_making_the_device_send_nothing",
    also=["discovery_only_reads_and_finds_the_instrument", "a_listener_records_what_the_master_reads"],
)
class SendsAtOnce(MeterDriver):
    def connect(self, connection: Connection) -> MeterClient:
        peer = getattr(connection.transport, "peer", None)
        if peer is not None:
            peer.send(b"\x1b", 0.0)
        return super().connect(connection)


@breaks("opening_only_reads")
class WritesWhenOpened(Meter):
    async def open(self) -> None:
        await self.write("900.00")
        await super().open()


@breaks("channels_are_declared_once_and_are_of_this_device", also=["*"])
class NoChannels(Meter):
    async def open(self) -> None:
        await super().open()
        self.channels = ()


@breaks("channels_say_where_they_are_from")
class ForeignChannels(Meter):
    async def open(self) -> None:
        await super().open()
        self.channels = tuple(structs.replace(channel, driver="gauge") for channel in self.channels)


@breaks("parameters_have_plain_names", also=["*"])
class NamesWithBlanks(Meter):
    async def open(self) -> None:
        await super().open()
        self.channels = tuple(structs.replace(channel, parameter=channel.parameter + " 1") for channel in self.channels)

    async def read(self, line: Any, channel: Channel) -> Sample:
        reply, stamp = await line.transact(Ask(self.address, LETTERS[channel.parameter[:-2]]))
        return Sample(channel=channel, stamp=stamp, value=float(reply), unit=channel.unit)


@breaks("channels_stay_the_same")
class OtherChannels(Meter):
    opened = 0

    async def open(self) -> None:
        await super().open()
        self.opened += 1
        self.channels = self.channels[:: 1 if self.opened % 2 else -1]


@breaks("the_pace_is_the_one_the_driver_states")
class WrongPace(MeterDriver):
    def pace(self, config: MeterConfig) -> Pace:
        return Pace.DEVICE


@breaks("polling_only_reads", also=["after_an_interruption_only_reads_are_sent"])
class WritesWhenPolled(Meter):
    async def poll(self, line: Any = None) -> Sequence[Sample]:
        samples = await super().poll(line)
        await (line or self.client).transact(Ask(self.address, "L", "900.00"))
        return samples


@breaks("a_poll_gives_one_sample_of_each_channel")
class WrongOrder(Meter):
    async def poll(self, line: Any = None) -> Sequence[Sample]:
        return list(reversed(await super().poll(line)))


@breaks("a_healthy_instrument_gives_values", also=["*"])
class AlwaysSuspect(Meter):
    async def read(self, line: Any, channel: Channel) -> Sample:
        sample = await super().read(line, channel)
        doubtful = channel.parameter == "temperature"
        return structs.replace(sample, status=Status.SUSPECT, flags=("warming_up",)) if doubtful else sample


@breaks("values_are_those_of_the_instrument", also=["*"])
class Remembers(Meter):
    """The value is read once, and has a new stamp each time."""

    async def poll(self, line: Any = None) -> Sequence[Sample]:
        samples = list(await super().poll(line))
        self.first = getattr(self, "first", samples)
        return [structs.replace(old, stamp=new.stamp) for old, new in zip(self.first, samples, strict=True)]


@breaks("a_sample_can_be_stored", also=["reasons_are_printable", "a_confirmed_write_is_sent_once_and_read_back"])
class ColouredText(Meter):
    async def read(self, line: Any, channel: Channel) -> Sample:
        return structs.replace(await super().read(line, channel), text="\x1b[31mhot")


@breaks("units_are_words_and_stay_the_same")
class OtherUnit(Meter):
    async def open(self) -> None:
        await super().open()
        self.channels = tuple(structs.replace(channel, unit="bar") for channel in self.channels)

    async def read(self, line: Any, channel: Channel) -> Sample:
        return structs.replace(await super().read(line, channel), unit=UNITS[channel.parameter])


@breaks("stamps_are_those_of_the_clock_of_the_rig", also=["*"])
class SystemClock(Meter):
    async def read(self, line: Any, channel: Channel) -> Sample:
        stamp = Stamp(SYSTEM_CLOCK.utc_ns(), 1000, SYSTEM_CLOCK.monotonic_ns())
        return structs.replace(await super().read(line, channel), stamp=stamp)


@breaks("a_poll_uses_the_line_that_the_caller_holds", also=["*"])
class TakesThePortTwice(Meter):
    async def read(self, line: Any, channel: Channel) -> Sample:
        return await super().read(self.client, channel)


@breaks("the_stated_load_is_that_of_a_poll")
class LittleLoad(MeterDriver):
    def transactions(self, config: MeterConfig) -> Sequence[TransactionCost]:
        return [TransactionCost(1, 1)]


@breaks("the_rate_of_the_table_is_obeyed")
class OwnRate(Meter):
    @property
    def rate_hz(self) -> float:  # type: ignore[override]
        return 1.0

    @rate_hz.setter
    def rate_hz(self, rate: float | None) -> None:
        pass


@breaks("the_parameters_of_the_table_are_obeyed")
class AllParameters(MeterDriver):
    selects_parameters = True

    def check(self, config: MeterConfig) -> None:
        if unknown := {*config.parameters} - {*UNITS}:
            raise ConfigError(f"parameters: unknown: {unknown}")


@breaks("an_unknown_parameter_is_refused_by_name")
class KnownParameters(MeterDriver):
    selects_parameters = True

    def device(self, config: MeterConfig, client: MeterClient, context: DeviceContext) -> Meter:
        class Selecting(Meter):
            async def open(self) -> None:
                await super().open()
                wanted = [channel for channel in self.channels if channel.parameter in config.parameters]
                self.channels = tuple(wanted) or self.channels

        return Selecting(client, context)


@breaks("the_timeout_of_the_table_is_obeyed")
class OwnTimeout(Meter):
    async def read(self, line: Any, channel: Channel) -> Sample:
        reply, stamp = await line.transact(Ask(self.address, LETTERS[channel.parameter]), timeout=0.3)
        return Sample(channel=channel, stamp=stamp, value=float(reply), unit=channel.unit)


@breaks("an_adapter_that_returns_what_is_sent_is_no_harm_with_echo")
class NoEcho(MeterDriver):
    """The codec waits for the echo as if it were a part of the reply."""

    def connect(self, connection: Connection) -> MeterClient:
        class Impatient(MeterCodec):
            def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
                if b"?" in buffer:
                    raise MalformedReplyError("a reply with a question mark")
                return super().decode(request, buffer, final=final)

        link = structs.replace(connection.link, echo=False)
        return ProtocolClient(structs.replace(connection, link=link), Impatient(), timeout=0.3)


@breaks("two_devices_of_one_port_do_not_mix")
class AlwaysSeven(Meter):
    address = 7


@breaks("the_identity_is_one_printable_text")
class RawIdentity(Meter):
    async def identity(self, line: Any = None) -> str | None:
        return f"{await super().identity(line)}\x00\x00"


@breaks("discovery_only_reads_and_finds_the_instrument")
class FindsNothing(MeterDriver):
    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        return []


@breaks("discovery_of_an_empty_port_finds_nothing")
class ErrorIfNothing(MeterDriver):
    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        found = await super().probe(connection, listen=listen)
        if not found:
            raise ReplyTimeoutError("no meter")
        return found


@breaks("a_device_that_is_off_is_an_error_and_not_a_bug")
class BugWhenOff(Meter):
    async def open(self) -> None:
        try:
            await super().open()
        except ReplyTimeoutError:
            raise ValueError("no meter") from None


# --- faults


@breaks("a_fault_gives_no_wrong_value", Fault.CORRUPT, also=["*"])
class NoChecksum(MeterCodec):
    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        while (end := buffer.find(b"\r")) >= 0:
            words = bytes(buffer[:end]).decode("latin-1").partition("*")[0].split(" ")
            del buffer[: end + 1]
            if len(words) == 3 and words[1] == request.letter and words[2].replace(".", "", 1).isdigit():
                return words[2]
        return super().decode(request, buffer, final=final)


BROKEN.append(Broken("test_a_fault_gives_no_wrong_value_in_a_long_run", BROKEN[-1].kit, Fault.CORRUPT, ("*",)))
BROKEN.append(Broken("test_all_faults_together_give_no_wrong_value", BROKEN[-1].kit, 1, ("*",)))


@breaks("values_return_after_faults", also=["*"])
class GivesUp(Meter):
    given_up = False

    async def read(self, line: Any, channel: Channel) -> Sample:
        if self.given_up:
            raise DeviceError("the meter failed before")
        try:
            return await super().read(line, channel)
        except ReplyTimeoutError:
            self.given_up = True
            raise


@breaks("replies_that_are_held_up_are_not_taken_for_later_ones", also=["*"])
class NeverResynchronises(Meter):
    async def read(self, line: Any, channel: Channel) -> Sample:
        reply, stamp = await line.transact(Ask(self.address, LETTERS[channel.parameter]), skip_resync=True)
        return Sample(channel=channel, stamp=stamp, value=float(reply), unit=channel.unit)


@breaks("an_instrument_that_is_switched_off_gives_reasons", also=["*"])
class RepeatsTheLastValue(Meter):
    last: Mapping[str, Sample] = {}

    async def read(self, line: Any, channel: Channel) -> Sample:
        try:
            sample = await super().read(line, channel)
        except ReplyTimeoutError:
            if channel.parameter in self.last:
                return self.last[channel.parameter]
            raise
        self.last = {**self.last, channel.parameter: sample}
        return sample


@breaks("noise_is_no_value", also=["*"])
class TakesAnything(MeterCodec):
    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        reply = super().decode(request, buffer, final=final)
        return "0.0" if final and reply is None and request.letter in "PT" else reply


@breaks("an_adapter_that_returns_what_is_sent_is_no_instrument")
class TakesEcho(MeterCodec):
    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        if request.letter in "PT" and buffer == super().encode(request):
            buffer.clear()
            return "0.0"
        return super().decode(request, buffer, final=final)


@breaks("faults_are_no_bugs_of_the_driver", also=["a_listener_to_a_faulty_line_records_no_wrong_value"])
class AsciiOnly(MeterCodec):
    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        buffer.decode("ascii")
        return super().decode(request, buffer, final=final)


@breaks("reasons_are_printable")
class ShowsBytes(MeterCodec):
    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        line, end, _ = buffer.partition(b"\r")
        if end and unframed(bytes(line)) is None:
            raise MalformedReplyError(f"not a reply: {line.decode('latin-1')}")
        return super().decode(request, buffer, final=final)


@breaks("two_devices_of_one_port_do_not_mix_in_faults", also=["*"])
class AnyMeterReplies(MeterDriver):
    """The address in a reply is not compared, and the line is not resynchronised."""

    def connect(self, connection: Connection) -> MeterClient:
        class AnyAddress(MeterCodec):
            def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
                for address in (7, 8):
                    copy = bytearray(buffer)
                    reply = super().decode(structs.replace(request, address=address), copy, final=final)
                    if reply is not None:
                        buffer[:] = copy
                        return reply
                return None

        return ProtocolClient(connection, AnyAddress(), timeout=0.3)

    def device(self, config: MeterConfig, client: MeterClient, context: DeviceContext) -> Meter:
        return NeverResynchronises(client, context)


# --- interruptions


@breaks("a_poll_can_be_cancelled_at_every_await")
class StaysBusy(Meter):
    busy = False

    async def poll(self, line: Any = None) -> Sequence[Sample]:
        if self.busy:
            raise DeviceError("the meter is being polled")
        self.busy = True
        try:
            samples = await super().poll(line)
        except Exception:
            self.busy = False
            raise
        self.busy = False
        return samples


@breaks("opening_can_be_cancelled_at_every_await")
class StaysOpening(Meter):
    opening = False

    async def open(self) -> None:
        if self.opening:
            raise DeviceError("the meter is being opened")
        self.opening = True
        await super().open()
        self.opening = False


@breaks("values_return_when_the_cable_is_put_back", also=["*"])
class EndsWithTheCable(Meter):
    ended = False

    async def poll(self, line: Any = None) -> Sequence[Sample]:
        if self.ended:
            raise DeviceError("the meter was unplugged before")
        try:
            return await super().poll(line)
        except ConnectionLostError:
            self.ended = True
            raise


@breaks("a_lost_connection_is_reported_as_one", also=["*"])
class HidesTheLoss(Meter):
    async def poll(self, line: Any = None) -> Sequence[Sample]:
        try:
            return await super().poll(line)
        except ConnectionLostError as error:
            return missing(self.channels, error.message, self.context.clock, responded=False)


@breaks("after_an_interruption_only_reads_are_sent", also=["opening_only_reads"])
class WritesWhenReconnected(Meter):
    async def reconnected(self, line: Any = None) -> None:
        await (line or self.client).transact(Ask(self.address, "L", "900.00"))


@breaks("another_instrument_in_its_place_gives_no_value")
class OneIdentity(Meter):
    async def identity(self, line: Any = None) -> str | None:
        await super().identity(line)
        return "meter"


@breaks("closing_sends_nothing_that_changes_the_instrument")
class WritesWhenClosed(Meter):
    async def aclose(self) -> None:
        with suppress(RiglogError):
            await self.write("900.00")


@breaks("a_port_that_floods_ends_no_poll")
class FullBuffer(MeterCodec):
    def decode(self, request: Ask, buffer: bytearray, *, final: bool = False) -> str | None:
        if len(buffer) > 50_000:
            buffer.clear()
            return "0.0"
        return super().decode(request, buffer, final=final)


# --- writing


@breaks("nothing_is_written_without_confirmation")
class Unconfirmed(Meter):
    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        return await super().set_parameter(name, value, instance, confirm=True)


@breaks("an_unknown_parameter_cannot_be_written")
class AnyName(Meter):
    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        return await super().set_parameter("limit", value, instance, confirm=confirm)


@breaks("what_can_be_set_is_what_the_driver_states")
class NothingSettable(MeterDriver):
    def settable(self, config: MeterConfig) -> Sequence[str]:
        return []


@breaks("an_invalid_value_is_not_written")
class AnyValue(Meter):
    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        if confirm and name == "limit" and " " in value:
            await self.write("0.0")
        return await super().set_parameter(name, value, instance, confirm=confirm)


@breaks("a_confirmed_write_is_sent_once_and_read_back")
class WritesTwice(Meter):
    async def write(self, value: str) -> None:
        await super().write(value)
        await super().write(value)


@breaks("a_write_is_reported")
class Silent(Meter):
    def wrote(self, what: str, write: ParameterWrite | None = None) -> None:
        pass


@breaks("a_write_without_a_reply_is_never_repeated")
class WritesAgain(Meter):
    async def write(self, value: str) -> None:
        try:
            await super().write(value)
        except ReplyTimeoutError:
            await super().write(value)


# --- listening


@breaks("a_listener_records_what_the_master_reads")
class OnlyRequests(MeterDriver):
    def frame_reader(self, config: MeterConfig, context: DeviceContext) -> FrameReader[Ask]:
        class Deaf(MeterReader):
            def first_frame(self, data: bytes, awaited: Ask | None, *, final: bool) -> SeenFrame | Incomplete | None:
                frame = super().first_frame(data, awaited, final=final)
                return None if isinstance(frame, SeenFrame) and frame.kind is FrameKind.REPLY else frame

        return Deaf(MeterCodec(), context)


@breaks("a_listener_to_a_faulty_line_records_no_wrong_value")
class NoChecksumHeard(MeterDriver):
    def frame_reader(self, config: MeterConfig, context: DeviceContext) -> FrameReader[Ask]:
        """A reader that takes the damaged reply for the value of the request before it."""

        class Credulous(MeterReader):
            def first_frame(self, data: bytes, awaited: Ask | None, *, final: bool) -> SeenFrame | Incomplete | None:
                frame = super().first_frame(data, awaited, final=final)
                end = data.find(b"\r") + 1
                if frame is None and end and awaited is not None:
                    return SeenFrame(FrameKind.UNSOLICITED, data[:end], "?", awaited.address, awaited)
                return frame

            def samples(self, frame: SeenFrame, request: Ask | None, stamp: Stamp) -> Sequence[Sample]:
                if frame.kind is not FrameKind.UNSOLICITED:
                    return super().samples(frame, request, stamp)
                digits = "".join(chr(byte) for byte in frame.raw if chr(byte).isdigit())
                whole = structs.replace(frame, raw=framed(f"{frame.request.text[:5]} {int(digits or 0)}.0"))
                return super().samples(whole, frame.request, stamp)

        return Credulous(MeterCodec(), context)
