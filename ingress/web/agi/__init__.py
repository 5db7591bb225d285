"""FastAGI: the dialplan's questions in Asterisk's own way.

| request | channel variables that it sets |
|---|---|
| `agi://HOST/begin?extension=NAME` | RAYMAL_ADMITTED (yes, no), RAYMAL_UUID, RAYMAL_ADDRESS, RAYMAL_REASON, |
| | RAYMAL_RETURN_ADDRESS, empty without a return port |
| `agi://HOST/result?uuid=UUID` | RAYMAL_RESULT, RAYMAL_TARGET, RAYMAL_REASON, RAYMAL_VAR_… of the dialog |

`begin` also takes `priority`, `language`, `number`, `name` and `source`, as part of the address or as further
arguments of `AGI()`, `key=value`. Number and name are the channel's caller ID where they are not given.
"""
