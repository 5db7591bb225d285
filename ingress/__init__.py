"""The process of one PBX: sockets, the audio clock, hearing, dialogs and the gateway to the workers.

A call's path: `server` accepts, `session` feeds `audiosocket`, `hearing` cuts utterances out of the
caller's audio, `link` carries them to the `gateway` process, which leases workers, runs the dialog and
sends sentences back as audio; `pacing` says when each 20 ms frame leaves.

Floors, bottom up, imports only go down: words (`settings`, `metrics`, `link_messages`), rules
(`audiosocket`, `pacing`, `endpointing`, `playout`, `call`), engines (`vad`), workers (`hearing`,
`dialogs.*`), wires (`link`, `session`, `server`, `gateway`, `supervisor`, `caller`), doors (`cli`).
"""
