"""The offline model: a model without intelligence, so that the agent runs without a key or a network.

It reads a question as tokens (`offline_reading.py`) and calls a tool only if the tool's name, description and schema
account for each token. Otherwise it asks back. It tells a result as a sentence (`offline_answer.py`).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from .model import Function, Message, Question, Reply, ToolCall, ToolResult
from .offline_answer import sentence, tell
from .offline_arguments import Filled, fill, properties
from .offline_reading import VALUES, WORDS, Reading, Token, is_yes, read, read_name

_ENOUGH: Final = 2  # the score of a tool that fits


@dataclass(frozen=True)
class Plan:
    """What the model does for a question.

    Args:
        function: the function to call, or the one that the reply asks about.
        calls: the arguments of each call; if there are none, the model replies.
    """

    question: Reading
    function: Function | None = None
    calls: Sequence[dict[str, Any]] = ()
    reply: str = ""


@dataclass(frozen=True)
class Fit:
    """How well a function fits a question.

    Args:
        score: of the words that the function's name and description share with the question.
        left: the tokens that the function does not account for.
    """

    function: Function
    score: int
    filled: Filled
    left: Sequence[Token]

    @property
    def fits(self) -> bool:
        return self.score >= _ENOUGH and not self.left

    @property
    def rank(self) -> tuple[int, bool, int]:
        """The best function has the most words, then all required arguments, then the most values of the question."""
        return self.score, not self.filled.missing, len(self.filled.used)


class OfflineModel:
    """Answers with tool calls, or with the results of the tools."""

    async def reply(
        self, messages: Sequence[Message], functions: Sequence[Function], *, streaming: bool
    ) -> AsyncGenerator[str | Reply]:
        """As `Model.reply`."""
        reply = _answer(messages, functions)
        if streaming and reply.text:
            yield reply.text
        yield reply


def make_plan(question: str, functions: Sequence[Function], previous: Plan | None = None) -> Plan:
    """The plan for a question. A short question goes on from the previous one: "And in Berlin?"."""
    reading = _with_places_of(previous, read(question))
    plan = _choose(reading, functions)
    if previous is None or previous.function is None:
        return plan
    if previous.calls:
        return _follow(reading, plan, previous)
    named = [function for function in functions if question.strip(" .!?。").lower() == str(function["name"]).lower()]
    if named or is_yes(question) or (not plan.calls and reading.kinds & VALUES):
        function = named[0] if named else previous.function
        return _complete(Reading("", ()) if is_yes(question) else reading, function, previous) or plan
    return plan


def _follow(reading: Reading, plan: Plan, previous: Plan) -> Plan:
    """The plan for a question after a tool call: values alone are new arguments for the same tool."""
    assert previous.function is not None
    same = _fit(previous.function, reading, base=previous.calls[-1])
    only_values = reading.kinds & {*VALUES, "places"} and reading.kinds <= {*VALUES, "places", "also"}
    goes_on = plan.function is previous.function and plan.calls and reading.tokens[0].kind == "also"
    if same.fits and (only_values or goes_on):
        return _plan_of(same, reading)
    return _plan_of(same, reading) if only_values and not plan.calls else plan


def _complete(reading: Reading, function: Function, previous: Plan) -> Plan | None:
    """The plan for a question that the model asked back about, and its answer; None if the answer does not fit.

    A value of the answer comes before or instead of the same kind of value in the question.
    """
    both = read(f"{previous.question.text} / {reading.text}")
    end = len(previous.question.text)
    newer = tuple(token for token in both.tokens if token.start > end or token.kind not in reading.kinds & VALUES)
    readings = (Reading(both.text, newer), both)
    fits = [_fit(function, question, forgiven=end) for question in readings]
    best = max(fits, key=lambda fit: (not fit.left, not fit.filled.missing))
    return None if best.left else _plan_of(best, readings[fits.index(best)])


def _choose(question: Reading, functions: Sequence[Function]) -> Plan:
    """The function that fits the question best, or a reply that asks back."""
    found = sorted((_fit(function, question) for function in functions), key=lambda fit: fit.rank, reverse=True)
    fitting = [fit for fit in found if fit.fits]
    if len(fitting) > 1 and fitting[0].rank == fitting[1].rank:
        names = ", ".join(str(fit.function["name"]) for fit in fitting if fit.rank == fitting[0].rank)
        return Plan(question, fitting[0].function, reply=sentence(question, "tie", tools=names))
    if fitting:
        return _plan_of(fitting[0], question)
    if found and found[0].score:
        return _plan_of(max(found, key=lambda fit: (fit.score, -len(fit.left))), question)
    names = ", ".join(str(function["name"]) for function in functions) or sentence(question, "nothing")
    return Plan(question, reply=sentence(question, "no_tool", tools=names))


def _plan_of(fit: Fit, question: Reading) -> Plan:
    """The calls of a function that fits and has its arguments; else the reply that asks for what is not clear."""
    tool, missing = str(fit.function["name"]), fit.filled.missing
    about = _first_sentence(fit.function) or tool
    words = ", ".join(sentence(question, "quoted", text=token.text) for token in fit.left)
    if any(token.kind == "places" for token in fit.left):
        words = ", ".join(token.text for token in fit.left if token.kind == "places")
        reply = sentence(question, "several_zones", words=words)
    elif fit.left:
        reply = sentence(question, "unsure", words=words, tool=tool, about=about)
    elif fit.score < _ENOUGH:
        reply = sentence(question, "weak", tool=tool, about=about)
    elif missing:
        reply = sentence(question, "missing", tool=tool, names=", ".join(missing))
    else:
        return Plan(question, fit.function, fit.filled.calls)
    return Plan(question, fit.function, reply=reply)


def _fit(function: Function, question: Reading, base: dict[str, Any] | None = None, forgiven: int = 0) -> Fit:
    """How well the function fits.

    Args:
        base: the arguments of the previous call of the function, for a question that goes on from it.
        forgiven: tokens before this position may be left; the person was asked about them already.
    """
    score, known = _score(function, question)
    if base is not None or forgiven:
        score += _ENOUGH
    filled = fill(question, function, base or {}, known)
    if not question.meanings() and not filled.missing:
        score += len(filled.used) - 1  # "15:00 JST in CET": the values alone tell the tool
    explained = {str(function["name"]).lower()}
    if _has_moment(question):
        explained.update(WORDS["functions"]["future"])
    left = [
        token
        for token in question.tokens
        if token.end > forgiven
        and token not in filled.used
        and token.kind != "also"
        and not (token.kind == "word" and token.value in known)
        and token.text.lower() not in explained
    ]
    return Fit(function, score, filled, left)


def _score(function: Function, question: Reading) -> tuple[int, set[str]]:
    """How many words the function shares with the question, and the meanings that it has words for."""
    named, described = read_name(str(function["name"])), read(_first_sentence(function)).meanings()
    known = named | described | read(str(function.get("description") or "")).meanings()
    for parameter, schema in properties(function).items():
        known |= read_name(parameter) | read(str(schema.get("description") or "")).meanings()
    score = 5 * any(token.text.lower() == str(function["name"]).lower() for token in question.tokens)
    for meaning in question.meanings():
        related = named.intersection(WORDS["related"].get(meaning, ()))
        if related:
            known.add(meaning)
        if meaning not in WORDS["functions"]["weak"]:
            score += 3 if meaning in named else 2 if related else int(meaning in described)
    return score, known


def _has_moment(question: Reading) -> bool:
    return any(token.kind == "moment" for token in question.tokens)


def _first_sentence(function: Function) -> str:
    return re.split(r"[.。](?:\s|$)", str(function.get("description") or "").strip())[0]


def _with_places_of(previous: Plan | None, question: Reading) -> Reading:
    """The question with the places of the previous calls in the place of "there"."""
    there = [token for token in question.tokens if token.kind == "there"]
    places = [token for token in previous.question.tokens if token.kind == "place"] if previous else []
    if not there or not places:
        return question
    at = there[0]
    meant = [replace(place, text=at.text, start=at.start, end=at.end) for place in places]
    tokens = [token for token in question.tokens if token not in there]
    return Reading(question.text, tuple(sorted([*tokens, *meant], key=lambda token: token.start)))


def _answer(messages: Sequence[Message], functions: Sequence[Function]) -> Reply:
    asked = [index for index, message in enumerate(messages) if isinstance(message, Question)]
    plan = previous = Plan(read(""))
    for index in asked:
        previous = plan if plan.question.tokens else previous  # "Thanks" changes nothing
        plan = make_plan(cast("Question", messages[index]).text, functions, previous)
    results = [message for message in messages[asked[-1] :] if isinstance(message, ToolResult)]
    if results:
        timed = _has_moment(plan.question)
        told = (
            tell(plan.question, result.call.name, result.text, failed=result.failed, of_given_time=timed)
            for result in results
        )
        return Reply("\n".join(told))
    name = str(plan.function["name"]) if plan.function else ""
    return Reply(plan.reply, [ToolCall(f"offline-{uuid.uuid4().hex[:12]}", name, each) for each in plan.calls])
