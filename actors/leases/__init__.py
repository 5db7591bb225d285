"""Who may use which slot: the lease book, its queue, its deadlines, and the desk where coroutines wait."""
