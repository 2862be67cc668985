"""Twenty hosts that forward to one database, while somebody kills them and cuts their connections.

A program of its own: it forks before any thread or event loop is there. Prints how often it did what.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import anyio
from processes import end_with_parent

from riglog.sinks.postgres import forward, forward_queue

PAGE_ROWS = 40
MISCHIEF = 60


def main(url: str, schema: str, folder: str, seed: int) -> None:
    forward_queue.PAGE_ROWS = PAGE_ROWS
    chance = random.Random(seed)
    todo = {start(url, schema, path): path for path in sorted(Path(folder).glob("*.sqlite"))}
    cutter = spawn(lambda: anyio.run(cut, url, seed))
    kills = 0
    while todo:
        time.sleep(chance.uniform(0.0, 0.05))
        if kills < MISCHIEF:
            os.kill(chance.choice(sorted(todo)), signal.SIGKILL)
            kills += 1
        while todo:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if not ended:
                break
            path = todo.pop(ended, None)
            if path is not None and status != 0:
                todo[start(url, schema, path)] = path
    os.kill(cutter, signal.SIGTERM)
    os.waitpid(cutter, 0)
    print(json.dumps({"kills": kills}))  # noqa: T201


def start(url: str, schema: str, path: Path) -> int:
    """A process that forwards one recording; its id."""
    return spawn(lambda: anyio.run(lambda: forward(path, url, schema=schema)))


def spawn(work: object) -> int:
    child = os.fork()
    if child:
        return child
    end_with_parent()
    code = 1
    try:
        work()  # type: ignore[operator]
        code = 0
    finally:
        os._exit(code)


async def cut(url: str, seed: int) -> None:
    """Again and again, end a random connection at the server."""
    import asyncpg

    chance = random.Random(-seed)
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS public.cuts (pid integer)")
    for _ in range(MISCHIEF):
        await anyio.sleep(chance.uniform(0.0, 0.05))
        await connection.execute(
            "INSERT INTO public.cuts SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND backend_type = 'client backend'"
            " ORDER BY md5(pid || $1) LIMIT 1 RETURNING pg_terminate_backend(pid)",
            str(chance.random()),
        )
    await anyio.sleep(120)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
