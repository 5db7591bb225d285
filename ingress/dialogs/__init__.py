"""What answers the caller: events in, sentences and commands out.

A dialog is a plain object behind the small interface of `ingress.dialogs.base`, chosen by name through
`ingress.dialogs.registry`. It holds no state of a call: the history comes with each event.
"""
