"""What computers state about their clocks, also if they lie, hang or print what is no figure."""

import json
import sys
import time

import pytest

from riglog.model import ClockState
from riglog.timekeeping import Outside, clock_source, output_of
from riglog.timekeeping.kernel import KernelClock, kernel_clock

CHRONY = (
    "C0A80001,192.168.0.1,2,1795176000.123,{offset},-0.000010,0.000031,-5.1,-0.001,0.02,"
    "{delay},{dispersion},64.2,{leap}"
)
WINDOWS = """Leap Indicator: 0(no warning)
Stratum: 3 (secondary reference - syncd by (S)NTP)
Precision: -23 (119.209ns per tick)
Root Delay: 0.0300000s
Root Dispersion: 0.0100000s
ReferenceId: 0xC0A80001 (source IP:  192.168.0.1)
"""
GERMAN = WINDOWS.replace("Leap Indicator", "Sprungindikator").replace("Root Delay: 0.03", "Stammverzögerung: 0,03")
GOOD = KernelClock(state=0, status=0x2001, offset_ns=-1500, most_error_us=900, error_us=10)
UNSYNCHRONIZED = KernelClock(state=5, status=0x40, offset_ns=0, most_error_us=16_000_000, error_us=16_000_000)


def chrony(offset: str = "0.0002", delay: str = "0.002", dispersion: str = "0.0003", leap: str = "Normal") -> str:
    return CHRONY.format(offset=offset, delay=delay, dispersion=dispersion, leap=leap) + "\n"


class StandIn(Outside):
    """A computer with these programs: the first word of the command, without its folder, and what it prints."""

    def __init__(self, kernel: KernelClock | None = None, **programs: str) -> None:
        self.kernel = kernel
        self.programs = programs

    def run(self, *command: str) -> str | None:
        return self.programs.get(command[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe"))

    def kernel_clock(self) -> KernelClock | None:
        return self.kernel


@pytest.mark.parametrize(
    ("platform", "outside", "synchronized", "error_ms", "method"),
    [
        ("linux", StandIn(GOOD), True, 0.9, "adjtimex"),
        ("linux", StandIn(UNSYNCHRONIZED), False, None, "adjtimex"),
        ("linux", StandIn(GOOD, chronyc=chrony()), True, 1.5, "adjtimex+chrony"),
        ("linux", StandIn(chronyc=chrony(offset="-0.01")), True, 11.3, "chrony"),
        ("linux", StandIn(UNSYNCHRONIZED, chronyc=chrony()), False, None, "adjtimex+chrony"),
        ("linux", StandIn(GOOD, chronyc=chrony(leap="Not synchronised")), False, None, "adjtimex+chrony"),
        ("linux", StandIn(), None, None, "none"),
        ("darwin", StandIn(systemsetup="Network Time: On\n"), True, None, "systemsetup"),
        ("darwin", StandIn(systemsetup="Network Time: Off\n"), False, None, "systemsetup"),
        (
            "darwin",
            StandIn(systemsetup="You need administrator access to run this tool... exiting!\n"),
            None,
            None,
            "none",
        ),
        ("win32", StandIn(w32tm=WINDOWS), True, 25.0, "w32time"),
        ("win32", StandIn(w32tm=GERMAN), True, 25.0, "w32time"),
        ("win32", StandIn(w32tm=WINDOWS.replace("0(no", "3(not")), False, None, "w32time"),
        ("win32", StandIn(w32tm="The service has not been started. (0x80070426)\n"), None, None, "none"),
        ("win32", StandIn(), None, None, "none"),
    ],
)
def test_each_system_states_how_good_its_clock_is(
    platform: str, outside: StandIn, synchronized: bool | None, error_ms: float | None, method: str
) -> None:
    state = clock_source(platform, outside).read()
    assert (state.synchronized, state.method) == (synchronized, method)
    assert (state.error_ns is None) == (error_ms is None)
    assert state.error_ns == (None if error_ms is None else pytest.approx(error_ms * 1e6, rel=1e-6))
    assert clock_source(platform, outside).command
    assert state.details is None or json.loads(state.details)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "506 Cannot talk to daemon\n",
        chrony(offset="nan"),
        chrony(delay="-5"),
        chrony(dispersion="inf"),
        chrony(dispersion="1e300"),
        chrony(offset="0,5"),
        chrony().replace(",2,", ",two,"),
        chrony().replace(",2,", ",16,"),
        "x" * 70_000,
        ",".join(["\x1b[2J"] * 14),
    ],
)
def test_what_is_no_figure_gives_no_error_and_never_a_guess(text: str) -> None:
    state = clock_source("linux", StandIn(chronyc=text)).read()
    assert state.error_ns is None
    assert state.offset_ns is None
    assert len(state.details or "") < 1000


def test_a_kernel_with_impossible_figures_gives_no_error() -> None:
    for error in (-5, 2**62):
        state = clock_source("linux", StandIn(GOOD._replace(most_error_us=error))).read()
        assert (state.synchronized, state.error_ns) == (True, None)


@pytest.mark.skipif(sys.platform != "linux", reason="adjtimex is of Linux")
def test_the_kernel_of_this_computer_is_asked_and_nothing_is_changed() -> None:
    first, second = kernel_clock(), kernel_clock()
    assert first is not None
    assert second is not None
    assert 0 <= first.state <= 5
    assert (first.status, first.synchronized) == (second.status, second.synchronized)


@pytest.mark.real_time
def test_a_program_that_hangs_prints_without_end_or_fails_gives_nothing_in_time() -> None:
    began = time.monotonic()
    assert output_of("riglog-no-such-program") is None
    assert output_of(sys.executable, "-c", "print('a', flush=True); raise SystemExit(3)", seconds=20) is None
    assert output_of(sys.executable, "-c", "print('ready')", seconds=20) in ("ready\n", "ready\r\n")
    assert output_of(sys.executable, "-c", "import time; time.sleep(60)", seconds=0.5) is None
    assert output_of(sys.executable, "-c", "while True: print('x' * 1000)", seconds=20) is None
    holds_the_pipe = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(6)'])"
    assert output_of(sys.executable, "-c", holds_the_pipe, seconds=1) is None
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (ClockState(synchronized=True, error_ns=812_345, offset_ns=-1500), "error at most 0.812 ms, offset -0.0015 ms"),
        (ClockState(synchronized=True, error_ns=16_000_000_000), "error at most 16 s"),
        (ClockState(synchronized=True), "set by a time server, error not known"),
        (ClockState(synchronized=False), "set by no time server"),
        (ClockState(synchronized=None), "not known whether"),
    ],
)
def test_a_state_is_shown_in_words(state: ClockState, text: str) -> None:
    assert text in str(state)
