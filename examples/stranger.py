"""The shortest dialog: `raymal serve --no-ray --dialog stranger:Bye`, run where this file is."""

from ingress.dialogs import Dialog, EndCall, Say


class Bye(Dialog):
    async def respond(self, event, call):
        yield Say("We are closed today.", is_fixed=True)
        yield EndCall()
