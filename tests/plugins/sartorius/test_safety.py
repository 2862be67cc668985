"""What may be sent without confirmation: exactly the commands that only read, according to the specification."""

from riglog.device import Safety
from riglog_sartorius.sbi import commands
from riglog_sartorius.xbpi import opcodes

READ_ONLY = bytes.fromhex(
    "00 01 02 03 05 07 0A 0B 0C 0D 0E 0F 1C 1E 1F 20 21 22 23 26 2E 2F 30 32 35 36 54 55 57 71 76 B9 BA BC"
)
READ_BY_THE_TABLES = bytes.fromhex("08 25 31 33 67 78 FF")
EXPERTS_ONLY = bytes.fromhex("04 28 40 41 56 58 5C 72 79 2D 53 61 6B 9F B6 BD")
DANGEROUS = bytes.fromhex("28 40 58 5C 72")
PERSISTENT = bytes.fromhex("56 46 47 2C 79 04")


def test_opcodes_that_need_no_confirmation_are_those_that_only_read() -> None:
    free = {code for code in range(256) if opcodes.opcode(code).safety is Safety.READ_ONLY}
    assert free == {*READ_ONLY, *READ_BY_THE_TABLES}
    assert not free & {*EXPERTS_ONLY}


def test_opcodes_have_the_tiers_of_the_manual() -> None:
    assert all(opcodes.opcode(code).safety is Safety.DANGEROUS for code in DANGEROUS)
    assert all(opcodes.opcode(code).safety is Safety.PERSISTENT for code in PERSISTENT)
    assert opcodes.opcode(0xBD).safety is Safety.DANGEROUS  # looks like a read and changes state


def test_tokens_that_need_no_confirmation_are_those_that_only_read() -> None:
    free = {command.token for command in commands.TABLE if command.safety is Safety.READ_ONLY}
    assert free == {"P", "p_", "kP_", "x1_", "x2_", "x3_", "m0_", "w0_"}
    dangerous = {command.token for command in commands.TABLE if command.safety is Safety.DANGEROUS}
    assert dangerous == {"Z", "W", "S", "x0_", "f1_", "?", "@", "s9_"}
    assert commands.command("x9_").safety is Safety.DANGEROUS


def test_names_and_codes_are_unique() -> None:
    assert len(opcodes.BY_CODE) == len(opcodes.BY_NAME) == len(opcodes.TABLE)
    assert len(commands.BY_TOKEN) == len({command.name for command in commands.TABLE}) == len(commands.TABLE)


def test_resync_requests_only_read_and_have_different_replies() -> None:
    from riglog_sartorius.xbpi.codec import RESYNC_OPCODES

    resync = [opcodes.opcode(code) for code in RESYNC_OPCODES]
    assert {opcode.safety for opcode in resync} == {Safety.READ_ONLY}
    assert len({opcode.reply for opcode in resync}) == len(resync)
