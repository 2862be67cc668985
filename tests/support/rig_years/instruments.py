"""Simulated instruments of the three vendors that know the truth: every value is a function of time.

Each channel has a range of values of its own and changes at a steady rate, so that a value of another channel, of
another time or of another instrument is recognised.
"""

import random
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from riglog.model import Channel
from riglog.model.units import DEG_C, DEG_F, fahrenheit_to_celsius
from riglog.plugin import Driver, installed
from riglog.simulation import Course, Timeline, Truth, TruthfulSimulator
from riglog_sartorius.simulator.instrument import FAMILIES
from riglog_sartorius.simulator.scale import TO_GRAMS, Scale
from riglog_servomex.simulator.instrument import SimulatedChannel
from riglog_watlow.simulator.instrument import Oven
from riglog_watlow.targets import Target


class Instrument(TruthfulSimulator):
    """One instrument as the table of its device describes it.

    Args:
        table: the ``[[device]]`` table, without a port.
        stranger: another instrument of the same kind, with another identity.
    """

    settings: Sequence[str] = ()
    """What can be changed at the panel."""

    def __init__(self, table: Mapping[str, Any], rng: random.Random, *, stranger: bool = False) -> None:
        driver = installed().driver(table["driver"])
        assert isinstance(driver, Driver)
        self.config = driver.config(**table, port="unused")
        self.simulator: Any = driver.simulator(self.config)
        self.stranger = stranger
        self.courses = self.draw_courses(rng)
        self.prepare()

    @property
    def latency(self) -> float:  # type: ignore[override]
        return float(self.simulator.latency)

    @abstractmethod
    def draw_courses(self, rng: random.Random) -> dict[str, Course]:
        """Return the values of each quantity."""

    @abstractmethod
    def prepare(self) -> None:
        """Let the simulator follow the courses."""

    def follow(self, now: float) -> None:
        """Set what the simulator stores to its value at a time."""

    @abstractmethod
    def change(self, setting: str, rng: random.Random, now: float) -> None:
        """Change a setting at the panel."""

    def receive(self, data: bytes, now: float) -> bytes:
        self.follow(now)
        return bytes(self.simulator.receive(data, now))

    def idle(self, now: float) -> bytes:
        self.follow(now)
        return bytes(self.simulator.idle(now))

    def next_due(self, now: float) -> float | None:
        found: float | None = self.simulator.next_due(now)
        return found

    def foreign(self, reply: bytes) -> bytes:
        return bytes(self.simulator.foreign(reply))


def course(rng: random.Random, low: float, high: float) -> Course:
    """Return a course with a period and a phase of its own."""
    period = rng.uniform(1500.0, 2500.0)
    return Course(low, high, period, rng.uniform(0.0, period))


class CourseOven(Oven):
    """An oven that is as hot as its course demands."""

    def __init__(self, temperature: Course, power: Course) -> None:
        super().__init__()
        self.temperature_course, self.power_course = temperature, power

    def advance(self, now: float, setpoint: float | None, band: float, manual: float) -> None:
        self.temperature, self.power = self.temperature_course.at(now), self.power_course.at(now)


class WatlowInstrument(Instrument):
    """A controller; temperatures are in degF inside."""

    def draw_courses(self, rng: random.Random) -> dict[str, Course]:
        return {
            "process_value": course(rng, 100.0, 300.0),
            "setpoint": course(rng, 400.0, 600.0),
            "output_power": course(rng, 5.0, 90.0),
        }

    def prepare(self) -> None:
        controller = self.simulator.controller
        self.settings = ["sensor"]
        if self.config.wire_protocol != "stdbus":
            self.settings = ["sensor", "unit", *{"pm": ["word_order"], "f4p": ["decimals"]}.get(self.config.family, [])]
        self.setpoint = Target(controller.registry.find("setpoint"))
        self.unit = Timeline(DEG_F)
        self.decimals = Timeline(1)
        self.sensor_intact = Timeline(True)
        for loop in controller.ovens:
            controller.ovens[loop] = CourseOven(self.courses["process_value"], self.courses["output_power"])
        if self.stranger:
            for name in self.config.facts.serial:
                controller.set(name, "4321")

    def follow(self, now: float) -> None:
        self.simulator.controller.values[self.setpoint] = self.courses["setpoint"].at(now)

    def change(self, setting: str, rng: random.Random, now: float) -> None:
        controller = self.simulator.controller
        match setting:
            case "unit":
                celsius = self.unit.at(now) == DEG_F
                controller.set(self.config.facts.unit, "C" if celsius else "F")
                self.unit.set(now, DEG_C if celsius else DEG_F)
            case "word_order":
                high_low = controller.label("modbus_word_order") == "Low_High"
                controller.set("modbus_word_order", "high_low" if high_low else "low_high")
            case "decimals":
                self.decimals.set(now, 1 - self.decimals.at(now))
                controller.set(
                    "input_1_decimal", f"{self.decimals.at(now)} decimal{'s' * (self.decimals.at(now) != 1)}"
                )
            case "sensor":
                intact = self.sensor_intact.at(now)
                error = next(
                    label for label in controller.registry.find("input_error").enum.values() if label != "None"
                )
                controller.set("input_error", error if intact else "None")
                self.sensor_intact.set(now, not intact)

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        found = self.courses.get(channel.parameter)
        if found is None:
            return
        for since, until, unit in self.unit.between(start, end):
            for since_decimals, until_decimals, decimals in self.decimals.between(since, until):
                for first, last, intact in self.sensor_intact.between(since_decimals, until_decimals):
                    yield self._truth(channel.parameter, found.extremes(first, last), unit, decimals, intact)

    def _truth(self, name: str, extremes: tuple[float, float], unit: str, decimals: int, intact: bool) -> Truth:
        if name == "output_power":
            return Truth(*extremes, "%", {"pm": 1e-4, "sd": 0.0051, "f4p": 0.051}[self.config.family])
        if name == "process_value" and not intact:
            return Truth(None, None, unit)
        low, high = map(fahrenheit_to_celsius, extremes) if unit == DEG_C else extremes
        return Truth(low, high, unit, {"pm": 1e-3, "sd": 1e-3, "f4p": 0.501 * 10.0**-decimals}[self.config.family])


class CourseChannel(SimulatedChannel):
    """A channel whose value follows a course, times what its unit demands."""

    course: Course
    factor = 1.0

    def at(self, now: float) -> float:
        return self.course.at(now) * self.factor


class ServomexInstrument(Instrument):
    """An analyzer with three gases and two external inputs."""

    settings = ("unit",)

    def draw_courses(self, rng: random.Random) -> dict[str, Course]:
        return {
            "i1": course(rng, 5.0, 25.0),
            "i2": course(rng, 0.05, 0.4),
            "i3": course(rng, 1.0, 4.0),
            "e1": course(rng, 30.0, 60.0),
            "e2": course(rng, 70.0, 95.0),
        }

    def prepare(self) -> None:
        channels = self.simulator.analyzer.channels
        self.vpm = Timeline(False)  # the unit of I2
        for name, found in self.courses.items():
            old = channels[name.upper()]
            channels[name.upper()] = new = CourseChannel(old.label, decimals=3 if name[0] == "i" else 2)
            new.course = found
        if self.stranger:
            self.simulator.analyzer.set("I4.name", "CH4")
            self.simulator.analyzer.set("I4.unit", "%")

    def change(self, setting: str, rng: random.Random, now: float) -> None:
        vpm = not self.vpm.at(now)
        self.simulator.analyzer.set("I2.unit", "vpm" if vpm else "%")
        self.simulator.analyzer.channels["I2"].factor = 1e4 if vpm else 1.0
        self.vpm.set(now, vpm)

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        found = self.courses.get(channel.parameter.lower())
        if found is None:
            return
        name = channel.parameter.lower()
        broadcast = self.config.protocol == "continuous"
        for since, until, vpm in self.vpm.between(start, end):
            low, high = found.extremes(since, until)
            if name[0] == "e":
                yield Truth(low, high, "mA", 0.051 if broadcast else 1e-4)
            elif name == "i2" and vpm:
                yield Truth(low * 1e4, high * 1e4, "vpm", 1.01 if broadcast else 1e-2)
            else:
                yield Truth(low, high, "%", 0.0011 if broadcast else 1e-4)


class CourseScale(Scale):
    """A scale with a load that follows a course, in grams."""

    load_course: Course

    def physical(self, now: float) -> float:
        return self.load_course.at(now)


class SartoriusInstrument(Instrument):
    """A balance with a tare; one that prints net and gross was never tared."""

    settings = ("unit",)

    def draw_courses(self, rng: random.Random) -> dict[str, Course]:
        return {"gross": course(rng, 200.0, 600.0)}

    def prepare(self) -> None:
        family = replace(FAMILIES["cubis"], serial="0099887766") if self.stranger else FAMILIES["cubis"]
        scale = CourseScale(capacity=family.capacity, decimals=family.decimals)
        scale.load_course = self.courses["gross"]
        self.simulator.use(family, scale)
        self.is_untared = bool(self.config.autoprint) and "gross" in self.config.parameters
        if self.is_untared:
            self.simulator.set("labels", "gross_until_tared")
        else:
            scale.tare(0.0)
        self.tare = 0.0 if self.is_untared else round(self.courses["gross"].at(0.0), family.decimals)
        self.unit = Timeline("g")
        self.family = family
        if self.config.autoprint:
            self.simulator.set("autoprint", str(self.config.timeout / 3))

    def change(self, setting: str, rng: random.Random, now: float) -> None:
        unit = rng.choice([unit for unit in TO_GRAMS if unit != self.unit.at(now)])
        self.simulator.set("unit", unit)
        self.unit.set(now, unit)

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        if channel.parameter == "temperature":
            celsius = self.family.temperatures[channel.instance]
            yield Truth(celsius, celsius, DEG_C, 1e-6)
            return
        if channel.parameter == "net" and self.is_untared:
            return  # it shows none
        for since, until, unit in self.unit.between(start, end):
            low, high = self.courses["gross"].extremes(since, until)
            if channel.parameter == "net":
                low, high = low - self.tare, high - self.tare
            elif channel.parameter == "tare":
                low = high = self.tare
            factor = 10.0 ** -TO_GRAMS[unit]
            decimals = max(self.family.decimals + TO_GRAMS[unit], 0)
            yield Truth(low * factor, high * factor, unit, 0.501 * 10.0**-decimals)


INSTRUMENTS: Mapping[str, type[Instrument]] = {
    "watlow": WatlowInstrument,
    "servomex": ServomexInstrument,
    "sartorius": SartoriusInstrument,
}


def instrument(table: Mapping[str, Any], rng: random.Random, *, stranger: bool = False) -> Instrument:
    """Return the instrument of a ``[[device]]`` table."""
    return INSTRUMENTS[table["driver"]](table, rng, stranger=stranger)
