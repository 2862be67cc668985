"""riglog records rigs made of instruments of different vendors into one table.

Read one controller, from a script or a notebook (``riglog.sync``), and record it for ten minutes into a file::

    import riglog.sync as riglog

    with riglog.open_device("watlow", "/dev/ttyUSB0", address=1) as oven:
        for sample in oven.poll():
            print(sample.parameter, sample.value, sample.unit, sample.status)
        with riglog.record(oven, rate_hz=2, duration=600) as recording:
            riglog.pipe(recording, "oven.sqlite")

    for row in riglog.read("oven.sqlite", parameter="process_value"):
        print(row.received_at, row.value, row.unit)

In an asynchronous program the same names are in ``riglog``: ``async with riglog.open_device(…)``, ``await
oven.poll()``. ``sim:oven`` as port is a simulated instrument. Errors are subclasses of ``RiglogError``
and say what to do next.

The public names are imported when one of them is used for the first time, so that ``import riglog`` takes little time.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
