"""The live web page: a recording in a browser while it grows. Its own process reads the recording, and nothing else.

``recording`` reads the file, ``feed`` turns what is new into messages for the browsers, ``spans`` prepares charts,
``server`` is the HTTP server. The page itself is in ``static``.
"""
