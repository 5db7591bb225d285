"""A reception: `raymal chat --dialog reception:Reception`, run where this file is; or `raymal serve`."""

from ingress.dialogs import CallBegan, CallerPressed, CallerSaid, CollectKeys, Dialog, Say, Transfer

EXTENSIONS = {"sales": "200", "support": "210"}


class Reception(Dialog):
    async def respond(self, event, call):
        match event:
            case CallBegan():
                yield Say("Welcome. Say sales or support, or type an extension.", is_fixed=True)
                yield CollectKeys(count=3)
            case CallerSaid(text) if wanted := [name for name in EXTENSIONS if name in text.lower()]:
                yield Say(f"I connect you to {wanted[0]}.")
                yield Transfer(EXTENSIONS[wanted[0]])
            case CallerPressed(digits) if digits in EXTENSIONS.values():
                yield Transfer(digits)
            case CallerSaid() | CallerPressed() if call.state.get("tries") == 2:
                yield Transfer("100", reason="not understood")
            case CallerSaid() | CallerPressed():
                call.state["tries"] = call.state.get("tries", 0) + 1
                yield Say("Sorry, sales or support?", is_fixed=True)
                yield CollectKeys(count=3)
