"""Programs in C: what must cost nothing beside what it measures, and what shows the machine's limit."""
