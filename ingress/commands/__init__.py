"""The commands of `raymal`, one file each: its arguments, and what it does with them."""
