"""``riglog live``: a recording as a web page while it grows."""

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from riglog.cli.console import format_value, messages, plain, print_warning
from riglog.cli.errors import ABORTED, DONE
from riglog.errors import ConfigError

if TYPE_CHECKING:
    from riglog.live.source import Source

PORT = 8470
LOOPBACK = "127.0.0.1"


@click.command("live", short_help="Show a recording as a web page while it grows.")
@click.argument("file", type=click.Path(readable=False))
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="Its port; 0 is any free one."
)
@click.option(
    "--listen",
    "address",
    default=LOOPBACK,
    show_default=True,
    metavar="ADDRESS",
    help="Address on which other computers reach the page, such as 0.0.0.0; they need the token.",
)
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the token. Default: a new token.")
@click.option("--schema", default="riglog", show_default=True, help="Schema of the tables in a database.")
@click.option("--hostname", "names", multiple=True, help="A further name under which the page is reached.")
def command(file: str, port: int, address: str, token_file: Path | None, schema: str, names: tuple[str, ...]) -> int:
    """Serve a page that shows the recording FILE, or a database postgresql://…: values, alarms, events, charts.

    Reading does not disturb the recorder, and nothing is written to an instrument. Ends with Ctrl-C.
    """
    from riglog.live.access import Access, given_token, is_loopback, new_token
    from riglog.live.feed import Feed
    from riglog.live.server import LiveServer

    given = token = None
    if not is_loopback(address):
        given = given_token(token_file)
        token = given or new_token()
    elif token_file is not None:
        raise ConfigError("--token-file needs --listen", hint="Remove it: on this computer no token is needed")
    source = _source(file, schema)
    feed = Feed(source)
    try:
        server = LiveServer(feed, Access(address, token, names), port)
    except (OSError, OverflowError) as error:
        hint = "Choose another port with --port, or an address of this computer with --listen"
        raise ConfigError(f"cannot listen on {address} port {port}: {error}", hint=hint) from None
    feed.start()
    try:
        _announce(source.title, address, server.server_port, token, None if given else token)
        server.serve_forever()
    except KeyboardInterrupt:
        return ABORTED
    finally:
        server.server_close()
        feed.stop()
    return DONE


def _shown(value: float | None, text: str | None) -> str:
    return (text or "") if value is None else format_value(value, text)


def _source(file: str, schema: str) -> "Source":
    """Return what the page shows: a file, or all recordings of a central database."""
    is_address = file.startswith(("postgresql:", "postgres:"))
    if not is_address and (Path(file).exists() or not set("@=") & set(file)):  # else an address with a mistake
        from riglog.live.recording import SqliteSource

        return SqliteSource(Path(file), _shown)
    from riglog.live.laboratory import LaboratorySource
    from riglog.sinks.postgres.address import unencrypted_warning
    from riglog.sinks.postgres.central import check_url
    from riglog.sinks.postgres.reader import CentralReader
    from riglog.sinks.postgres.tables import identifier

    found = check_url(file)
    if found.unencrypted_host:
        print_warning(unencrypted_warning(found.unencrypted_host))
    return LaboratorySource(CentralReader(found, identifier(schema)), _shown)


def _announce(file: str, address: str, port: int, token: str | None, new: str | None) -> None:
    """Print where the page is; and the token, if it is a new one."""
    if token is not None:
        print_warning(
            "the page is not encrypted: who has the token, or reads the network, sees the recording and can add notes"
        )
    host = f"[{address}]" if ":" in address else address
    if address in ("", "0.0.0.0", "::"):
        host = socket.gethostname()
    query = "" if new is None else f"?token={new}"
    messages().print(f"{plain(file)}: http://{plain(host)}:{port}/{plain(query)}", soft_wrap=True, highlight=False)
