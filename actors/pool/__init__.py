"""What a gateway uses of the speech side: `SpeechPool`, its leased work, and the way to the manager."""
