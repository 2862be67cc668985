"""SBI: lines of ASCII text in fixed columns, with or without requests. Source: wire specification, section 4."""
