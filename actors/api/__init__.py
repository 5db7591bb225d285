"""The cluster's HTTP door on Ray Serve: the state of the fleet, and its speech workers as a service.

| what | where |
|---|---|
| the application: FastAPI, no Ray | `app`, `routes`, `guard`, `bodies`, `errors`, `services`, `observed` |
| audio in and out | `recordings`, `cutting`, `sound` |
| the application as a deployment of Ray Serve | `deployment`, `opening` |
| asking for it from a process that is to stay small | `apart` |
"""
