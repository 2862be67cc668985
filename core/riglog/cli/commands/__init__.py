"""The commands of riglog, one module each, imported when the command is used."""
