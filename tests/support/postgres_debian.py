"""A PostgreSQL server on TCP with TLS, and PgBouncer in front of it, as Debian packages them.

``apt-get install postgresql pgbouncer`` brings both. They run as another user than root, which they refuse.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct
from processes import running

USER = "postgres"
PASSWORD = "se/cr@t?"
IN_URL = "se%2Fcr%40t%3F"
CONFIG = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
default_pool_size = 3
auth_type = scram-sha-256
auth_file = {folder}/users
server_tls_sslmode = require
client_tls_sslmode = allow
client_tls_key_file = {folder}/server.key
client_tls_cert_file = {folder}/server.crt
logfile = {folder}/pgbouncer.log
"""


class Servers(Struct, frozen=True):
    """``certificate`` is that of both servers, signed by itself; ``stranger`` is another one."""

    port: int
    pool_port: int
    certificate: Path
    stranger: Path
    folder: Path

    def url(self, query: str = "", *, pool: bool = False, host: str = "localhost", database: str = "postgres") -> str:
        port = self.pool_port if pool else self.port
        return f"postgresql://{USER}:{IN_URL}@{host}:{port}/{database}{query and '?'}{query}"


@contextmanager
def servers() -> Iterator[Servers]:
    """Start both; skips the test where they are not installed."""
    pytest.importorskip("asyncpg", reason="pip install 'riglog[postgres]'")
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    pool = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if not binaries or pool is None or shutil.which("openssl") is None:
        pytest.skip("needs PostgreSQL, PgBouncer and openssl: apt-get install postgresql pgbouncer openssl")
    with tempfile.TemporaryDirectory(prefix="riglog-servers-") as name:
        folder = Path(name)
        for certificate in ("server", "stranger"):
            make_certificate(folder, certificate)
        (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, USER)
        run(
            binaries[-1] / "initdb",
            "-D",
            folder / "data",
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            "-N",
            f"--pwfile={folder}/password",
        )
        rules = "hostssl all all 127.0.0.1/32 scram-sha-256\nhostnossl plain all 127.0.0.1/32 scram-sha-256\n"
        (folder / "data" / "pg_hba.conf").write_text(rules)
        port, pool_port = free_port(), free_port()
        (folder / "pool.ini").write_text(CONFIG.format(folder=folder, server=port, port=pool_port))
        (folder / "pool.ini").chmod(0o644)
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "fsync": "off",
            "ssl": "on",
            "ssl_cert_file": folder / "server.crt",
            "ssl_key_file": folder / "server.key",
        }
        settings = [text for name, value in options.items() for text in ("-c", f"{name}={value}")]
        with (
            serving(folder, binaries[-1] / "postgres", "-D", folder / "data", *settings, port=port),
            serving(folder, pool, folder / "pool.ini", port=pool_port),
        ):
            yield Servers(port, pool_port, folder / "server.crt", folder / "stranger.crt", folder)


def make_certificate(folder: Path, name: str) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    (folder / f"{name}.key").chmod(0o600)


def run(*command: object) -> None:
    done = subprocess.run(
        list(map(str, command)), user=other_user(), cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def serving(folder: Path, *command: object, port: int) -> Iterator[None]:
    """Run a server while the block runs; at its end, it closes its files in order."""
    with (folder / "log").open("ab") as log:
        program = running(list(map(str, command)), user=other_user(), cwd="/", stdout=log, stderr=log)
        with program as process:
            wait_for(port, folder)
            yield
            process.terminate()
            process.wait(timeout=20)


def other_user() -> str | None:
    return USER if os.geteuid() == 0 else None


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(port: int, folder: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        else:
            return
