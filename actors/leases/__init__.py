"""Who may use which slot: the lease book, its queue, and the desk where coroutines wait."""
