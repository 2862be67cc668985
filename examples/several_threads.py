"""A program with threads: one records, one reads the same instruments, one writes a note. Needs no hardware."""

import sys
import threading

import riglog.sync as riglog


def main(path: str, seconds: float) -> None:
    """Record a rig in one thread while others use it; the port carries one request after the other."""
    with riglog.Manager() as rig:
        oven = rig.add("oven", "sim:line", driver="watlow", address=1)
        kiln = rig.add("kiln", "sim:line", driver="watlow", address=2)
        with riglog.record(rig, rate_hz=5, duration=seconds) as recording:
            recorder = threading.Thread(target=riglog.pipe, args=(recording, path))
            recorder.start()
            readings: dict[str, float] = {}

            def read(name: str) -> None:
                device = oven if name == "oven" else kiln
                (sample,) = [sample for sample in device.poll() if sample.parameter == "process_value"]
                assert isinstance(sample.value, float)
                readings[name] = sample.value

            readers = [threading.Thread(target=read, args=(name,)) for name in ("oven", "kiln")]
            for thread in readers:
                thread.start()
            for thread in readers:
                thread.join()
            recording.add_note("both were read by other threads")
            recorder.join()
        summary = recording.summary
    print(sorted(readings), summary.samples, "samples")


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else "threads.sqlite",
        float(sys.argv[2]) if len(sys.argv) > 2 else 10,
    )
