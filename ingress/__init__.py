"""The processes of one PBX: sockets, the audio clock, hearing, dialogs and the gateway to the workers.

| room | what lives there |
|---|---|
| `commands`, `server` | the command line; the supervisor of the processes |
| `media` | the media worker: AudioSocket, audio clock, hearing, the call |
| `link` | the wire between media worker and gateway |
| `gateway` | the Ray driver: leases, turns, admission, records |
| `phrases`, `dialogs` | text to audio; what answers the caller |
| `configuration`, `caller` | settings and extensions; a caller for people without Asterisk |

Importing the package loads no model, no numpy and no Ray.
"""
