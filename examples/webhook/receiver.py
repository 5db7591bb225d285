"""A receiver of raymal's `webhook` dialog: `uvicorn receiver:app --port 8080`, run where this file is."""

import os
import time

from fastapi import FastAPI, HTTPException, Request

from ingress.dialogs.webhook.signature import SignatureError, verify

app = FastAPI()
GUESTS = {"101": "Ana", "102": "Bruno"}


@app.post("/calls")
async def answer(request: Request):
    body = await request.body()
    try:
        verify(request.headers, body, os.environ["RAYMAL_WEBHOOK_SECRET"], time.time())
    except SignatureError as error:
        raise HTTPException(401, str(error)) from None
    match await request.json():
        case {"type": "call_began"}:
            return {"actions": [say("Hello. Which room, please?"), {"action": "collect_keys", "count": 3}]}
        case {"type": "caller_pressed", "data": {"digits": room}} if room in GUESTS:
            return {"actions": [say(f"I call {GUESTS[room]}."), {"action": "transfer", "target": room}]}
        case {"type": "caller_pressed" | "caller_said", "state": state} if state.get("tries", 0) < 2:
            ask = [say("Please type the room's three digits."), {"action": "collect_keys", "count": 3}]
            return {"actions": ask, "state": {"tries": state.get("tries", 0) + 1}}
        case {"type": "caller_pressed" | "caller_said"}:
            return {"actions": [say("Goodbye."), {"action": "end_call", "reason": "no room"}]}


def say(text):
    return {"action": "say", "text": text}
