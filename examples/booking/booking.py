"""A dialog that books a day: it asks for a name and a day, and confirms both."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from pydantic import BaseModel

from ingress.dialogs import (
    CallBegan,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Say,
)

ASK_NAME = "Hello. What is your name?"
ASK_DAY = "On which day would you like to come?"
ASK_AGAIN = "Sorry, I did not understand that."
BOOKED = "It is booked. Thank you for calling."
BEFORE_A_NAME = re.compile(r"^(hello|hi)?\W*(my name is|this is|i am|i'm)?\s*", re.IGNORECASE)


class BookingSettings(BaseModel):
    """`[dialog.booking]`."""

    days: list[str] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
    """On which one can come."""


class Booking(Dialog):
    """Remembers `name` and `day` in the call's state: what is missing there is asked for next."""

    Settings = BookingSettings
    settings: BookingSettings
    fixed_texts = (ASK_NAME, ASK_DAY, ASK_AGAIN, BOOKED)

    async def respond(self, event: DialogEvent, call: DialogCall) -> AsyncIterator[DialogAction]:
        """Take the answer to the question before, ask the next one."""
        state = call.state
        match event:
            case CallerSaid(text) if "name" not in state:
                state["name"] = BEFORE_A_NAME.sub("", text).rstrip(".!") or text
            case CallerSaid(text) if "day" not in state:
                day = next((day for day in self.settings.days if day.lower() in text.lower()), None)
                if day is None:
                    yield Say(f"You can come on {', '.join(self.settings.days)}.", is_fixed=True)
                else:
                    state["day"] = day
            case CallerSaid(text):
                if re.search(r"\byes\b", text, re.IGNORECASE):
                    yield Say(BOOKED, is_fixed=True)
                    yield EndCall()
                    return
                state.clear()
            case CallerNotUnderstood() | CallerPressed():
                yield Say(ASK_AGAIN, is_fixed=True)
            case CallBegan():
                pass
            case _:
                return
        if "name" not in state:
            yield Say(ASK_NAME, is_fixed=True)
        elif "day" not in state:
            yield Say(ASK_DAY, is_fixed=True)
        else:
            yield Say(f"{state['name']}, on {state['day']}. Is that right?")
