"""Try a dialog without models, sockets or a server: what is said to it, and what it does about it.

    async with Conversation(Bye(), language="en") as talk:
        answer = await talk.begin()
        assert answer.text == "We are closed today."
        assert talk.outcome is not None

History, state, deadlines, checks of actions and limits are those of a running server. Audio and time are not
there: a sentence is heard as soon as it is said, unless the caller interrupts, and nobody is silent for too
long, nor a call too long, unless the test says so (`stays_silent`, `ends`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from uuid import uuid4

from actors.checks.languages import normalised, primary
from actors.errors import DialogError, RaymalError, described
from actors.sentences import split_sentences
from actors.speakable import speakable_pieces
from ingress.audiosocket import DIGITS
from ingress.configuration.extensions import Extension, Phrase
from ingress.configuration.phrases import phrase_text
from ingress.configuration.settings import BargeInSettings, CallLimitSettings, DialogSettings
from ingress.dialogs.actions import checked_action
from ingress.dialogs.answers import Answer, Leg, Spoken, Turn, collected, sentence_of
from ingress.dialogs.audio_files import AudioFiles
from ingress.dialogs.base import (
    CallBegan,
    CallEnded,
    CallerNotUnderstood,
    CallerPressed,
    CallerSaid,
    CollectKeys,
    Dialog,
    DialogAction,
    DialogCall,
    DialogEvent,
    EndCall,
    Interrupted,
    LegJoined,
    LegLeft,
    Listen,
    NothingHeard,
    PlayContinuousTone,
    PlayFile,
    Say,
    SetVariable,
    Transfer,
)
from ingress.dialogs.matching.expected import match_expected
from ingress.dialogs.run import DialogRun, failure_of
from ingress.dialogs.state import encoded_state
from ingress.link.messages import MAXIMUM_HISTORY, MAXIMUM_VARIABLES, DialogState, HistoryEntry, LegName
from ingress.link.records import CallOutcome, CallResult

__all__ = ["Answer", "CallResult", "Conversation", "Spoken"]

LAST_EVENT_DEADLINE_S = 5.0
"""For `CallEnded`: nobody waits for it."""
LAST_PHRASES = {
    CallResult.NO_INPUT: Phrase.NO_INPUT,
    CallResult.TOO_LONG: Phrase.TOO_LONG,
    CallResult.NO_AUDIO: Phrase.NO_AUDIO,
}
"""What the caller hears where a limit ends the call."""


class Conversation:
    """One call of a dialog."""

    def __init__(
        self,
        dialog: Dialog,
        extension: Extension | None = None,
        *,
        language: str | Sequence[str] | None = None,
        caller_number: str | None = None,
        caller_name: str | None = None,
        limits: CallLimitSettings | None = None,
        deadline_s: float | None = None,
        raises: bool = True,
    ) -> None:
        """`extension`: says what is not given here; without one, files that are played need not be there.

        `language`: that of the extension if not given, else English; of several the first words that are
        said in one of them decide. `deadline_s`: for each action (`dialog.deadline_s`). `raises`: what the
        dialog raises, and DialogError for what it may not do; else the turn fails as in a running server, and
        the caller hears the apology.
        """
        if language is None:
            language = "en" if extension is None else extension.languages or extension.language
        languages = [language] if isinstance(language, str) else language
        self.languages = tuple(normalised(code) for code in languages)
        settings = extension or Extension(
            name="default",
            port=None,
            language=self.languages[0],
            dialog=DialogSettings(),
            barge_in=BargeInSettings(),
        )
        changes: dict[str, object] = {"language": self.languages[0]}
        if limits is not None:
            changes["call_limits"] = limits
        self.extension = settings.model_copy(update=changes)
        self.dialog = dialog
        self.call_id = str(uuid4())
        self.outcome: CallOutcome | None = None
        """What the dialplan gets, once the call is over or is to end; an interruption may prevent it."""
        self.is_over = False
        """Whether the dialog has had its last event."""
        self.has_tone = False
        """Whether a continuous tone plays."""
        self.on_spoken: Callable[[Spoken], None] | None = None
        """Is given each sentence as soon as it is said; the server's own phrases are in the answers alone."""
        self._deadline_s = deadline_s or settings.dialog.deadline_s
        self._raises = raises
        self._files = AudioFiles() if extension is not None else None
        self._caller_number, self._caller_name = caller_number, caller_name
        self._started_at = datetime.now(UTC)
        self._has_chosen_language = len(self.languages) == 1
        self._history: list[HistoryEntry] = []
        self._state: DialogState = {}
        self._variables: dict[str, str] = {}
        self._legs: dict[LegName, Leg] = {"caller": Leg()}
        """Those that are there."""

    async def __aenter__(self) -> Conversation:
        """Nothing has happened yet: `begin` is the first event."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The caller hangs up, if the call is not over."""
        if error is None and not self.is_over:
            await self.ends()

    @property
    def language(self) -> str:
        """Of the call."""
        return self.extension.language

    @property
    def has_return_leg(self) -> bool:
        """Whether the call's second connection is there."""
        return "return" in self._legs

    @property
    def history(self) -> tuple[HistoryEntry, ...]:
        """What was said and heard so far."""
        return tuple(self._history)

    @property
    def state(self) -> DialogState:
        """What the dialog remembers of the call: a copy."""
        copy: DialogState = json.loads(encoded_state(self._state))
        return copy

    @property
    def variables(self) -> Mapping[str, str]:
        """What the dialplan gets of the dialog."""
        return dict(self._variables)

    # What happens

    async def begin(self, interrupted_after: str | None = None) -> Answer:
        """The caller is on the line."""
        return await self._turn(CallBegan(), "caller", interrupted_after)

    async def says(
        self,
        text: str,
        leg: LegName = "caller",
        *,
        confidence: float | None = None,
        language: str | None = None,
        language_probability: float | None = None,
        expected: str | None = None,
        interrupted_after: str | None = None,
    ) -> Answer:
        """Somebody says something.

        `language`: in which it is heard. `expected`: as the dialog's `Listen` has it, unless given.
        `interrupted_after`: the caller interrupts once this sentence of the answer was heard, and the dialog
        is closed there, as if it were slower than its words are spoken. To interrupt what it has said whole
        there is `interrupts`.
        """
        self._check_speaks()
        if language is not None and not self._has_chosen_language:
            heard = next((code for code in self.languages if primary(code) == primary(language)), None)
            if heard is not None:
                self.extension = self.extension.model_copy(update={"language": heard})
                self._has_chosen_language = True
        listening = self._leg(leg).listening
        if listening is not None:
            expected = expected or match_expected(text, listening.expected_words)
        event = CallerSaid(text, confidence, language, language_probability, expected, leg)
        return await self._turn(event, leg, interrupted_after)

    async def says_unclearly(self, leg: LegName = "caller", interrupted_after: str | None = None) -> Answer:
        """Somebody says something that is not understood."""
        self._check_speaks()
        return await self._turn(CallerNotUnderstood(leg), leg, interrupted_after)

    async def presses(
        self, keys: str, leg: LegName = "caller", interrupted_after: str | None = None
    ) -> Answer:
        """Press keys: without `CollectKeys` they come together, as when pressed during an answer.

        With it they come once they are complete, else incomplete, for nothing is pressed any more. Raises
        ValueError for what is no key, and for keys after those: press them by themselves.
        """
        if not keys or not DIGITS.issuperset(keys):
            raise ValueError("keys are 0 to 9, *, # and A to D")
        wanted = self._leg(leg).collecting
        event = CallerPressed(keys, leg=leg) if wanted is None else collected(keys, wanted, leg)
        return await self._turn(event, leg, interrupted_after)

    async def stays_silent(self, leg: LegName = "caller") -> Answer:
        """Nobody says anything for `call_limits.no_input_s`. The last time that is allowed ends the call, or
        the return leg alone."""
        self._check_speaks()
        times = self._leg(leg).silences + 1
        limits = self.extension.call_limits
        if times >= limits.no_input_times and leg == "caller":
            return await self.ends(CallResult.NO_INPUT, "nothing was said, several times in a row")
        if times >= limits.no_input_times:
            return Answer(leg, self._phrase(Phrase.NO_INPUT, leg)) + await self._leave()
        answer = await self._turn(NothingHeard(times, leg), leg)
        if leg in self._legs:  # else the dialog has ended it
            self._legs[leg].silences = times
        if not answer.spoken and answer.failure is None and self.outcome is None:
            answer += Answer(leg, self._phrase(Phrase.STILL_THERE, leg))
        return answer

    async def joins(self) -> Answer:
        """The call's second connection is there."""
        if self.has_return_leg:
            raise ValueError("the return leg is there already")
        self._check_goes_on()
        self._legs["return"] = Leg()
        return await self._turn(LegJoined(), "return")

    async def leaves(self) -> Answer:
        """The second connection ends; the call goes on."""
        self._leg("return")
        return await self._leave()

    async def ends(self, result: CallResult = CallResult.ENDED, reason: str = "the caller hung up") -> Answer:
        """The call ends: as its dialog wanted, if that did; else as given, with the server's phrase."""
        if self.outcome is not None:
            return await self._end()
        self.outcome = CallOutcome(result=result, reason=reason, variables=dict(self._variables))
        spoken = self._phrase(LAST_PHRASES[result], "caller") if result in LAST_PHRASES else ()
        if self.has_return_leg:
            spoken += self._phrase(Phrase.CALLER_LEFT, "return")
        return Answer("caller", spoken) + await self._end()

    def interrupts(self, after: str = "", leg: LegName = "caller") -> None:
        """Somebody speaks over the last answer on a leg, once they heard this sentence of it; "": none whole.

        The rest counts as not heard, but for what follows and is protected (`may_interrupt`). An end of the
        call is cancelled, and the next event comes after `Interrupted`. Raises ValueError if that cannot be.
        """
        turn = self._turn_to_interrupt(leg)
        spoken = turn.heard_on(leg)
        kept = spoken.index(sentence_of(spoken, after)) + 1 if after else 0
        while kept < len(spoken) and not spoken[kept].may_interrupt:
            kept += 1  # it plays to the end of what is protected
        if kept == len(spoken):
            raise ValueError("the answer was heard to its end: nothing is left that may be interrupted")
        self._unhear(spoken[kept:])
        self._interrupt(turn, leg, spoken[:kept])

    def goes_on(self, leg: LegName = "caller") -> None:
        """Whoever spoke goes on before anything of the answer is heard: it is not played.

        What the dialog remembered in it is undone, an end of the call is cancelled. What is said next is
        answered together with what was said before. Raises ValueError if the last answer was not to words.
        """
        turn = self._turn_to_interrupt(leg)
        if not isinstance(turn.event, CallerSaid | CallerNotUnderstood) or turn.leg != leg:
            raise ValueError("only words are gone on with; the answer to anything else waits")
        if not turn.heard_on(leg):
            raise ValueError("nothing was said: the turn is over, what is said next is another one")
        self._unhear(turn.heard_on(leg))
        self._state = turn.state_before
        self._cancel_end(turn)
        here = self._legs[leg]
        here.last, here.interrupted = None, turn.interrupted  # what its dialog did about that is undone

    # One turn

    async def _turn(self, event: DialogEvent, leg: LegName, interrupted_after: str | None = None) -> Answer:
        here = Leg() if isinstance(event, LegLeft) else self._leg(leg)
        turn = Turn(event, leg, self._state, interrupted_after)
        if not isinstance(event, NothingHeard):
            here.silences = 0
        if isinstance(event, CallerSaid | CallerNotUnderstood | CallerPressed):
            here.listening = here.collecting = None
        call = self._dialog_call(turn)
        if isinstance(event, CallerSaid):
            self._note(HistoryEntry(speaker="caller", text=event.text, leg=leg))
        failure: str | None = None
        try:
            turn.interrupted, here.interrupted = here.interrupted, None
            if turn.interrupted is not None:
                await self._note_interruption(Interrupted(turn.interrupted, leg), call, turn)
            await self._respond(event, call, turn)
        except _Cut:
            self._interrupt(turn, leg, turn.heard_on(leg))
        except Exception as error:
            if self._raises:
                raise
            failure = described(error) if isinstance(error, RaymalError) else failure_of(error)
            if leg in self._legs:
                turn.spoken += self._phrase(Phrase.APOLOGY, leg)
        if failure is None:  # else it fails before anything is heard, so the state is as before
            self._state = turn.state
        if here.interrupted is None:
            if interrupted_after is not None:
                raise ValueError(f"the answer did not contain {interrupted_after!r}")
            here.last = turn
            for spoken in turn.spoken:
                self._legs[spoken.leg].last = turn
        if turn.end is not None:
            self.outcome = self._outcome_of(turn.end)
        answer = Answer(turn.hearer, tuple(turn.spoken), tuple(turn.unheard), tuple(turn.actions), failure)
        if turn.ends_return_leg and self.has_return_leg and self.outcome is None:
            answer += await self._leave()
        return answer

    async def _leave(self) -> Answer:
        del self._legs["return"]
        return await self._turn(LegLeft(), "return")

    async def _note_interruption(self, event: Interrupted, call: DialogCall, turn: Turn) -> None:
        """Let the dialog take note: what it remembers counts, and nothing that it yields is done."""
        run = DialogRun(self.dialog, event, call, self._deadline_s)
        try:
            await run.next()
            turn.state = json.loads(encoded_state(call.state))
        finally:
            await run.close()

    async def _respond(self, event: DialogEvent, call: DialogCall, turn: Turn) -> None:
        run = DialogRun(self.dialog, event, call, self._deadline_s)
        try:
            while (action := await run.next()) is not None:
                turn.state = json.loads(encoded_state(call.state))
                checked = checked_action(action)
                turn.actions.append(checked)
                await self._do(checked, turn)
            turn.state = json.loads(encoded_state(call.state))
        finally:
            await run.close()

    async def _do(self, action: DialogAction, turn: Turn) -> None:
        match action:
            case Say(text=text):
                if not self.dialog.needs_speech:
                    raise DialogError("the dialog was declared to need no speech, and asked to speak")
                for sentence in split_sentences(text):
                    if speakable_pieces(sentence, self.language):
                        self._speak(sentence, action, turn)
            case PlayFile(path=path):
                if self._files is not None:
                    await self._files.audio(self.extension.dialog.audio_folder, path)
                self._speak(path, action, turn)
            case Listen(leg=leg) if (there := self._legs.get(leg or turn.leg)) is not None:
                there.listening = action
            case CollectKeys(leg=leg) if (there := self._legs.get(leg or turn.leg)) is not None:
                there.collecting = action
            case PlayContinuousTone():
                self.has_tone = True
            case EndCall(leg="return"):
                turn.ends_return_leg = True
            case EndCall() | Transfer():
                turn.end = action
            case SetVariable(name, value):
                if name in self._variables or len(self._variables) < MAXIMUM_VARIABLES:
                    self._variables[name] = value

    def _speak(self, text: str, action: Say | PlayFile, turn: Turn) -> None:
        leg = action.leg or turn.hearer
        spoken = Spoken(text, leg, may_interrupt=action.may_interrupt)
        if leg not in self._legs:
            turn.unheard.append(spoken)
            return
        turn.spoken.append(spoken)
        self._note(HistoryEntry(speaker="server", text=text, leg=leg))
        if self.on_spoken is not None:
            self.on_spoken(spoken)
        if leg == turn.hearer and text == turn.interrupted_after:
            raise _Cut

    def _dialog_call(self, turn: Turn) -> DialogCall:
        return DialogCall(
            call_id=self.call_id,
            extension=self.extension.name,
            language=self.language,
            caller_number=self._caller_number,
            caller_name=self._caller_name,
            started_at=self._started_at,
            history=self.history,
            state=json.loads(encoded_state(turn.state)),
            has_return_leg=self.has_return_leg,
        )

    async def _end(self) -> Answer:
        """Give the dialog its last event; nothing of what it yields is done."""
        if self.is_over:
            raise ValueError("the call is over")
        self.is_over = True
        assert self.outcome is not None
        event = CallEnded(self.outcome.result, self.outcome.reason)
        turn = Turn(event, "caller", self._state, None)
        run: DialogRun | None = None
        try:
            run = DialogRun(self.dialog, event, self._dialog_call(turn), LAST_EVENT_DEADLINE_S)
            while await run.next() is not None:
                pass
        except Exception as error:
            if self._raises:
                raise
            return Answer(failure=described(error) if isinstance(error, DialogError) else failure_of(error))
        finally:
            if run is not None:
                await run.close()
        return Answer()

    # What was heard

    def _turn_to_interrupt(self, leg: LegName) -> Turn:
        turn = None if self.is_over or leg not in self._legs else self._legs[leg].last
        if turn is None:
            raise ValueError("there is no answer on that leg to interrupt")
        return turn

    def _interrupt(self, turn: Turn, leg: LegName, heard: Sequence[Spoken]) -> None:
        here = self._legs[leg]
        here.interrupted, here.last = " ".join(spoken.text for spoken in heard), None
        here.silences = 0
        if leg == turn.leg:
            self._cancel_end(turn)

    def _cancel_end(self, turn: Turn) -> None:
        if turn.end is not None:
            turn.end = self.outcome = None

    def _unhear(self, rest: Sequence[Spoken]) -> None:
        """Take the newest entries out of the history that these sentences made."""
        for spoken in reversed(rest):
            for index in reversed(range(len(self._history))):
                entry = self._history[index]
                if (entry.speaker, entry.leg, entry.text) == ("server", spoken.leg, spoken.text):
                    del self._history[index]
                    break

    def _note(self, entry: HistoryEntry) -> None:
        self._history = [*self._history, entry][-MAXIMUM_HISTORY:]

    def _phrase(self, phrase: Phrase, leg: LegName) -> tuple[Spoken, ...]:
        """Return a phrase of the server; nothing for a tone."""
        text = phrase_text(self.extension, phrase)
        return () if text is None else (Spoken(text, leg, phrase),)

    # Legs and ends

    def _check_goes_on(self) -> None:
        if self.is_over or self.outcome is not None:
            raise ValueError(f"the call is over: {self.outcome and self.outcome.reason}")

    def _leg(self, name: LegName) -> Leg:
        """Return a leg on which something happens. Raises ValueError if that cannot be."""
        self._check_goes_on()
        if name not in self._legs:
            raise ValueError("there is no return leg: it has to join first")
        return self._legs[name]

    def _check_speaks(self) -> None:
        if not self.dialog.needs_speech:
            raise ValueError("this dialog has needs_speech = False: it does not listen")

    def _outcome_of(self, end: EndCall | Transfer) -> CallOutcome:
        is_transfer = isinstance(end, Transfer)
        return CallOutcome(
            result=CallResult.TRANSFER if is_transfer else CallResult.ENDED,
            target=end.target if isinstance(end, Transfer) else None,
            reason=end.reason or "the dialog hung up",
            variables=dict(self._variables),
        )


class _Cut(Exception):
    """The sentence after which the caller interrupts was heard."""
