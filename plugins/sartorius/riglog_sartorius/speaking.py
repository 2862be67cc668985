"""Which dialect a configuration asks for."""

from typing import cast

from riglog.plugin import Client
from riglog_sartorius.config import XBPI, SartoriusConfig
from riglog_sartorius.dialect import Dialect
from riglog_sartorius.sbi.autoprint import AutoprintDialect
from riglog_sartorius.sbi.codec import SbiCodec
from riglog_sartorius.sbi.conversation import Conversation
from riglog_sartorius.sbi.dialect import SbiDialect
from riglog_sartorius.xbpi.dialect import XbpiDialect


def dialect_for(config: SartoriusConfig, client: Client) -> Dialect:
    """How to speak to this balance on this client. Sends nothing."""
    if config.wire == XBPI:
        return XbpiDialect(client, node=config.address, timeout=config.timeout)
    codec = cast(SbiCodec, client.codec)
    conversation = Conversation(client, crlf=config.crlf, timeout=config.timeout)
    return AutoprintDialect(conversation, codec) if config.autoprint else SbiDialect(conversation, codec)
