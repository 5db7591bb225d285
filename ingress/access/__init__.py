"""Who may do what: networks, invitations, tokens. Rules alone; no socket is opened here."""
