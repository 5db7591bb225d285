"""The operator's door of one server: HTTP on loopback, and the dialplan's questions.

A process of its own, without Ray and without models. It asks the others over the link and may end at any
time: no call waits for it.
"""
