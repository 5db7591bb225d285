"""Speech workers and the manager that shares them out.

The package holds everything that runs behind the gateway: the plain classes that transcribe and
synthesize (`SttWorker`, `TtsWorker`), the `ResourceManager` that leases their slots to calls, and
two ways to run them: on Ray (`actors.cluster`) or inside the calling process (`actors.local`).

Floors, bottom up, imports only go down: words (`messages`, `settings`, `errors`, `pool`), rules
(`sizing`, `leases`), engines (`engines.*`), workers (`stt_worker`, `tts_worker`,
`resource_manager`), wires (`local`, `cluster`). Importing the package loads no model and no Ray.
"""
