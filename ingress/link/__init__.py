"""The wire between media workers, gateway and observers: its framing, its messages and its records."""
