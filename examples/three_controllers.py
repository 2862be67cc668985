"""Three controllers on two ports, two of them on one RS-485 pair, into one SQLite file. Blocking calls, no async."""

import sys

import riglog.sync as riglog


def main(path: str, seconds: float) -> None:
    """Record process value and set point of the three."""
    with riglog.Manager() as rig:
        rig.add("oven", "sim:bus", driver="watlow", address=1)
        rig.add("kiln", "sim:bus", driver="watlow", address=2)
        rig.add("dryer", "sim:other", driver="watlow", protocol="modbus-rtu")
        for name, result in rig.poll_each().items():
            print(name, result.value[0].value if result.value else result.error)
        with riglog.record(rig, rate_hz=2, duration=seconds, parameters=["process_value", "setpoint"]) as recording:
            riglog.pipe(recording, path, flush_interval=1)
    summary = recording.summary
    print(summary.samples, "samples,", summary.samples_late, "slots late,", summary.disconnects, "disconnects")


if __name__ == "__main__":
    arguments = [*sys.argv[1:], "controllers.sqlite", "300"][:2] if len(sys.argv) < 3 else sys.argv[1:3]
    main(arguments[0], float(arguments[1]))
