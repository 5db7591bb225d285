"""Who is still there: silence of others, measured only while this process runs; calls that never return."""
