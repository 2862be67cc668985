"""Which dialect a configuration asks for."""

from typing import cast

from riglog.plugin import Client
from riglog_sartorius.config import XBPI, SartoriusConfig
from riglog_sartorius.dialect import Dialect
from riglog_sartorius.sbi.autoprint import AutoprintDialect
from riglog_sartorius.sbi.codec import SbiCodec
from riglog_sartorius.sbi.dialect import SbiDialect
from riglog_sartorius.xbpi.dialect import XbpiDialect


def dialect_for(config: SartoriusConfig, client: Client) -> Dialect:
    """How to speak to this balance on this client. Sends nothing."""
    if config.wire == XBPI:
        return XbpiDialect(client, node=config.address, timeout=config.timeout)
    codec = cast(SbiCodec, client.codec)
    if config.autoprint:
        return AutoprintDialect(client, codec, crlf=config.crlf, silence=config.timeout)
    return SbiDialect(client, codec, crlf=config.crlf, timeout=config.timeout)
