"""The ResourceManager and its rules: sessions, admission, load, throttling. Run by `local` and `cluster`."""
