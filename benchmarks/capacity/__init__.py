"""How many calls a server holds, found out by calling it (`raymal capacity`)."""
