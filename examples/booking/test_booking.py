"""A test of the dialog: `pytest examples/booking`. No models, no server."""

import asyncio

from booking import Booking

from ingress.dialogs.testing import Conversation


async def book():
    async with Conversation(Booking(), language="en") as talk:
        answer = await talk.begin()
        assert answer.text == "Hello. What is your name?"
        await talk.says("My name is Maria.")
        await talk.says("On Friday.")
        assert talk.state == {"name": "Maria", "day": "Friday"}
        talk.interrupts(after="Maria, on Friday.")
        answer = await talk.says("Yes.")
        assert answer.text == "It is booked. Thank you for calling."
        assert talk.outcome.result == "ended"


def test_a_booking():
    asyncio.run(book())
