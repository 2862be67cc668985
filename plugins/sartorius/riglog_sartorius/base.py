"""What all parts of Balance need: the client, the protocol on it, and the one way to change the balance."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeVar

from msgspec import structs

from riglog.device import DeviceContext, Pace, PortDevice, Safety
from riglog.device.polling import LINE_BUSY
from riglog.errors import AmbiguousReplyError, ConnectionLostError, ProtocolError, ReplyTimeoutError, error_context
from riglog.model import ParameterWrite
from riglog.protocol import HeldLine
from riglog_sartorius.config import SartoriusConfig
from riglog_sartorius.protocol import AnyLine, SartoriusProtocol
from riglog_sartorius.sbi.autoprint import MAX_PAUSE, AutoprintProtocol
from riglog_sartorius.sbi.codec import SbiClient
from riglog_sartorius.sbi.protocol import SbiProtocol
from riglog_sartorius.xbpi.codec import XbpiClient
from riglog_sartorius.xbpi.protocol import XbpiProtocol

SartoriusClient = XbpiClient | SbiClient
T = TypeVar("T")

MAY_HAVE_BEEN_EXECUTED = "The command may have been executed. Check the balance before repeating it"


def protocol_for(config: SartoriusConfig, client: SartoriusClient) -> SartoriusProtocol:
    """Return the protocol of a balance on its client. Sends nothing."""
    if isinstance(client, XbpiClient):
        return XbpiProtocol(node=config.address)
    if config.autoprint:
        max_pause = MAX_PAUSE if config.timeout is None else client.timeout
        return AutoprintProtocol(client, crlf=config.crlf, max_pause=max_pause, quantities=config.quantities)
    return SbiProtocol(client, crlf=config.crlf)


class BalanceBase(PortDevice[SartoriusClient]):
    """A balance without its commands."""

    def __init__(self, config: SartoriusConfig, client: SartoriusClient, context: DeviceContext) -> None:
        if isinstance(client, XbpiClient):
            # For the rows only. Replies do not contain it, so a balance cannot share its port: Driver.address is None.
            context = structs.replace(context, address=config.address)
        super().__init__(client, context)
        self._protocol = protocol_for(config, client)
        self.pace = self._protocol.pace

    def _hold(self, line: HeldLine[Any, Any] | None = None) -> AbstractAsyncContextManager[AnyLine]:
        """Hold the line for reads. In autoprint mode it stays free, so that tare and zero can be sent meanwhile."""
        if self.pace is Pace.DEVICE:
            return nullcontext(self.client)
        return self.client.hold(line)

    async def _perform(self, read: Callable[[AnyLine], Awaitable[T]]) -> T:
        """Perform a read on the held line; errors contain the device."""
        with error_context(device=self.name):
            async with self._hold() as line:
                return await read(line)

    async def _change(
        self,
        tier: Safety,
        name: str,
        confirm: bool,
        command: Callable[[AnyLine], Awaitable[T]],
        *,
        wait_done: Callable[[], Awaitable[None]] | None = None,
        what: str | None = None,
        write: ParameterWrite | None = None,
    ) -> T:
        """Change the balance, and report the change. Without an acknowledge it may have been executed nevertheless.

        Args:
            name: the method, for the message if ``confirm`` is not True.
            command: sends the command on the line it is given. It is sent once, whatever the defaults of the client.
            wait_done: waits until the command was executed; the line is free meanwhile.
            what: the text of the event; default: the name.
            write: the parameter and its values; default: the command ``name``.

        Returns:
            The result of ``command``.

        Raises:
            ConfirmationError: not confirmed; nothing was sent.
            ProtocolError, NotSettledError, ConnectionLostError: it is not known whether it was executed, unless the
                line was busy: then nothing was sent.
        """
        self.confirm_change(tier, name, confirm)
        what = what or name
        write = write or ParameterWrite(parameter=name)
        held = sent = False
        try:
            with error_context(device=self.name):
                async with self.client.hold() as line:
                    held = True
                    result = await command(line)
                    sent = True
                if wait_done is not None:
                    await wait_done()
        except BaseException as error:
            if sent or (held and _may_have_been_executed(error)):
                if isinstance(error, ReplyTimeoutError | AmbiguousReplyError | ConnectionLostError):
                    error.hint = MAY_HAVE_BEEN_EXECUTED
                self.wrote(f"{what} (not acknowledged)", write)
            raise
        proven = wait_done is not None or isinstance(self.client, XbpiClient)
        self.wrote(what, structs.replace(write, confirmed=proven))
        return result


def _may_have_been_executed(error: BaseException) -> bool:
    """Return False if a command was refused, or never sent because the line was busy."""
    if isinstance(error, ReplyTimeoutError) and error.reason == LINE_BUSY:
        return False
    return not isinstance(error, Exception) or isinstance(error, ProtocolError | ConnectionLostError)
