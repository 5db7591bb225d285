"""Takes an account number by keys and gives it to the dialplan; whoever cannot is sent to the reception."""

from ingress.dialogs import (
    CallerPressed,
    CollectKeys,
    Dialog,
    EndCall,
    NothingHeard,
    Say,
    SetVariable,
    Transfer,
)

ASK = "Please enter the eight digits of your account number."


class Account(Dialog):
    fixed_texts = (ASK,)

    async def respond(self, event, call):
        match event:
            case CallerPressed(digits) if len(digits) == 8:
                yield SetVariable("ACCOUNT", digits)
                yield EndCall()
            case NothingHeard(times=2):
                yield Transfer("reception")
            case _:
                yield Say(ASK, is_fixed=True)
                yield CollectKeys(count=8)
