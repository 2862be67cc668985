"""Charts of a recording: what they show, the same for every picture and page; and pictures made by matplotlib.

``traces`` reads channels as lines, ``happenings`` what happened beside them, ``chart`` puts both into panels, and
``picture`` draws them.
"""
