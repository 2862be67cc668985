"""Reports: a recording as one HTML page that needs nothing else.

``facts`` collects what is in it, ``figures`` draws its charts, ``page`` writes it.
"""

from riglog.recordings.reports.page import write_report

__all__ = ["write_report"]
