"""SBI: lines of ASCII in fixed columns, asked for or printed by itself. Source: wire specification, section 4."""
