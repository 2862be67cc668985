"""``riglog.pipe``: stores what a run records, into sinks or into files by their names."""

from collections.abc import Callable
from pathlib import Path

from riglog import sinks as stores
from riglog.acquire import ActiveRun, SinkResult
from riglog.acquire import pipe as pipe_into_sinks
from riglog.acquire.pipe import CLOSE_TIMEOUT_SECONDS
from riglog.errors import ConfigError
from riglog.model import SYSTEM_CLOCK, Clock, Run, Sink, new_run

SINK_OF_ENDING = {".sqlite": "SqliteSink", ".csv": "CsvSink", ".jsonl": "JsonlSink", ".parquet": "ParquetSink"}
"""In ``riglog.sinks``, which imports a sink when its name is used: most programs need one of them."""


async def pipe(
    active_run: ActiveRun,
    *sinks: Sink | str | Path,
    run: Run | None = None,
    batch_size: int = 512,
    flush_interval: float = 1.0,
    buffer_size: int = 100_000,
    close_timeout: float = CLOSE_TIMEOUT_SECONDS,
    clock: Clock = SYSTEM_CLOCK,
) -> list[SinkResult]:
    """Open the sinks, and store the samples and events of a run until its stream ends; then close them.

    If cancelled, stop polling, store what was received, then propagate the cancellation.

    Args:
        sinks: sinks, or names of files: ``run.sqlite``, ``.csv``, ``.jsonl`` or ``.parquet``. An existing recording of
            the same kind is continued, every other file is refused.
        run: the run; default: a new one, named ``run``.
        batch_size: number of buffered samples at which a sink is written to immediately.
        flush_interval: seconds after which buffered samples are written; the most that a power failure can cost.
        buffer_size: number of samples buffered for a failing sink; further samples are lost to this sink and counted.
        close_timeout: seconds during which a failing sink is retried at the end of the run.
    Returns:
        One result per sink.
    Raises:
        ConfigError: the ending of a file stands for no format; nothing was stored.
        StorageError: a sink could not be opened; nothing was stored.
        SamplesLostError: a sink did not store all samples, also if cancelled. The other sinks have all of them.
    """
    return await pipe_into_sinks(
        active_run,
        *map(_sink, sinks),
        run=run or new_run("run", clock, rate_hz=active_run.rate_hz),
        batch_size=batch_size,
        flush_interval=flush_interval,
        buffer_size=buffer_size,
        close_timeout=close_timeout,
        clock=clock,
    )


def _sink(given: Sink | str | Path) -> Sink:
    if isinstance(given, Sink):
        return given
    ending = Path(given).suffix
    if ending.lower() not in SINK_OF_ENDING:
        known = ", ".join(SINK_OF_ENDING)
        raise ConfigError(f"unknown ending {ending!r}", hint=f"Use one of {known}, or give a sink", file=given)
    make: Callable[[str], Sink] = getattr(stores, SINK_OF_ENDING[ending.lower()])
    return make(str(given))
