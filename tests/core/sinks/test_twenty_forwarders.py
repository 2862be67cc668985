"""Twenty hosts, one database, connections cut and processes killed at random: every row arrives, and once."""

import json
import subprocess
import sys
from pathlib import Path

import anyio.to_thread
import forwarders
import pytest
from postgres import ask
from recorded import GAS, NET, WARM, make_run, steady, store

from riglog.sinks import SqliteSink

HOSTS, TICKS, CHANNELS = 20, 500, (WARM, GAS, NET)


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
async def test_no_row_is_lost_and_none_is_there_twice(database: str, schema: str, tmp_path: Path) -> None:
    for number in range(HOSTS):
        run = make_run(host=f"host-{number % 10}", number=number // 10)  # equal run ids, distinguished by host
        await store(SqliteSink(tmp_path / f"{number}.sqlite"), run, list(steady(run, CHANNELS, TICKS)))

    def forward_all() -> str:
        program = [sys.executable, forwarders.__file__, database, schema, str(tmp_path), "7"]
        return subprocess.run(program, check=True, timeout=120, capture_output=True, text=True).stdout

    did = json.loads(await anyio.to_thread.run_sync(forward_all))
    assert did["kills"] >= 40
    assert (await ask(database, "SELECT count(*) FROM public.cuts"))[0][0] >= 20
    counts = await ask(
        database,
        "SELECT count(*), count(DISTINCT (run, host, device, parameter, instance, tick)),"
        f" count(DISTINCT (run, host, sequence, received_at)) FROM {schema}.samples",
    )
    assert counts == [(HOSTS * TICKS * len(CHANNELS),) * 3]
    by_host = await ask(database, f"SELECT host, count(*) FROM {schema}.samples GROUP BY host ORDER BY host")
    assert by_host == [(f"host-{number}", HOSTS * TICKS * len(CHANNELS) // 10) for number in range(10)]
