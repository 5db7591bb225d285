"""`raymal doctor`: looks at the machine, one subject a file, and says what to do. Changes nothing."""
