"""Cells of a notebook (Jupyter, VS Code, Spyder): open, look, record, read back. Needs no hardware.

A notebook runs an event loop of its own; `riglog.sync` has another one, in a thread, so nothing must be awaited.
"""

# %% Open an instrument. It stays open from cell to cell.
import riglog.sync as riglog
from riglog_watlow import WatlowDriver

rig = riglog.Manager()
oven = rig.add("oven", "sim:oven", driver=WatlowDriver(), temperature_unit="degC")
print(oven)

# %% Look at it.
for sample in oven.poll():
    print(sample.parameter, sample.value, sample.unit, sample.status)

# %% Record it for a moment.
with riglog.record(rig, rate_hz=5, duration=1) as recording:
    riglog.pipe(recording, "notebook.sqlite")
print(recording.summary.samples, "samples")

# %% Read it back.
values = [row.value for row in riglog.read("notebook.sqlite", parameter="process_value") if row.value is not None]
print(f"{min(values):.2f} to {max(values):.2f}")

# %% Close the port.
rig.close()
