"""A script without async: read a controller, record it with a balance, and say what came of it. Needs no hardware."""

import sys

import riglog.sync as riglog
from riglog_watlow import WatlowDriver


def main(path: str, seconds: float) -> None:
    """Record two instruments into a file. Ctrl-C ends the recording early, and what was received is stored."""
    with riglog.Manager() as rig:
        oven = rig.add("oven", "sim:oven", driver=WatlowDriver(), temperature_unit="degC")
        rig.add("balance", "sim:balance", driver="sartorius")
        setpoint = oven.read_parameter("setpoint")
        print("set point", setpoint.value, setpoint.unit)
        with riglog.record(rig, rate_hz=5, duration=seconds) as recording:
            riglog.pipe(recording, path)
        summary = recording.summary
    print(summary.samples, "samples,", summary.samples_missing_or_skipped, "missing or skipped")


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else "script.sqlite",
        float(sys.argv[2]) if len(sys.argv) > 2 else 10,
    )
