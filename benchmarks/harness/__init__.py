"""What benchmarks share: load generator, server process, machine description, strict peer, speech."""
