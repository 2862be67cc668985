"""Lines of text: the codec, and the transactions."""
