"""Who may use which slot: the lease book, its queue and its deadlines. Pure but for the desk, which waits."""
