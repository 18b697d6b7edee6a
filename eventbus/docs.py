"""Writes docs/events.md from the catalogue: ``python -m eventbus.docs [--check]``.

The catalogue (eventbus/catalogue.py) says which events there are and what fields they have; here
stands what a reader wants besides: what each field means, who gets the event, and an example. An
event or a field without words here is a ``KeyError``, so the page cannot fall behind.
"""

import argparse
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import Field, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args

from eventbus import catalogue
from eventbus.catalogue import ALL_EVENTS, Event

PAGE = Path(__file__).parent.parent / "docs" / "events.md"

_FIELDS: Mapping[str, str] = {
    "action": (
        "`answer`, `pass_on`, `give_back`, `close`, `urge`, `supervise`, `reopen` or `review`"
    ),
    "agent_id": "the agent whose matter this is; null when it is nobody's in particular",
    "at": "when, Unix seconds, UTC",
    "by": "who did it: an account's number",
    "document": "which: `partners`, `urgency`, `templates`, `categories`, `gazetteer`, `prompts`",
    "call_id": "the call concerned; null when none is",
    "caller": "the citizen's number, by the rules of `numbers.inbound`; null when withheld",
    "confidence": "the recogniser's confidence, 0 to 1; null when the engine gives none",
    "detail": "why, in words for an operator",
    "deadline_at": "until when the unit has the ticket, Unix seconds, or null",
    "end": "seconds since the answer",
    "ended_by": "`citizen`, `agent`, `partner` or `system`",
    "doubtful": "words of the text that the recogniser was unsure of",
    "evidence": "the words from which the value was taken",
    "field": "the field's name, as in the ticket's `fields`",
    "fields": "every field's value, by name",
    "knowledge": (
        "matching entries, best first: `id`, `version`, `title`, `category`, `source`, `snippet` "
        "and `experts` on duty (`id`, `name`, `unit`, `phone`)"
    ),
    "leg": "who speaks: `caller` or `agent`",
    "line": "the number that was dialled, by the same rules",
    "part": "`media`, `recogniser`, `redis`, `mqtt`, `database`, `trunks`, `exchange`, `dispatch`",
    "partner": "the partner who called by his own trunk (`110`: the green channel), or null",
    "phones": "how many registered phones the agent has",
    "wrap_up_until": "when wrap-up ends by itself, Unix seconds; null outside wrap-up",
    "talk": "how he talks: `hold`, `consult` or `conference`; null when he simply talks, or not",
    "pending": "the state he asked for during a call and will be in after it, or null",
    "questions": "what should still be asked, in order",
    "reason": "why he is not ready, or null",
    "reopens": "the ticket that this one takes up again, or null",
    "reference": "that partner's own number of the matter, as his call said it, or null",
    "secret": "whether the citizen has asked for secrecy; MQTT then omits what was said",
    "seq": "the utterance's number within the call; it grows",
    "since": "when the state began, Unix seconds",
    "similar": (
        "open tickets like this one: `ticket_id`, `status`, `category`, `address`, `unit`, "
        "`submitted_at`, `likeness` (0 to 1)"
    ),
    "source": "`heard`, `caller_id`, `history` or `agent`",
    "spoken": "what was recognised, as it was spoken",
    "category": "what the matter is about",
    "level": "`紧急` or `特急`",
    "muted": "whether nobody hears the agent",
    "passage": (
        "where in the recording it was said: `leg`, `start`, `end` (seconds) and `bits`, start and "
        "end of each breath; or null"
    ),
    "place": "where the matter is",
    "rule": "the rule that fired, its kind first: `突发`, `敏感`, `集中` or `重要`",
    "tickets": "the tickets of a burst, by id",
    "transfer": "the partner to call, or null",
    "ticket.field:confidence": "how sure the value is, 0 to 1; null when nothing was said of it",
    "start": "seconds since the answer",
    "later": "whether it was recognised after the call, from the recording",
    "transcript.gap:end": "seconds since the answer; null while it goes on",
    "transcript.gap:reason": "`load`, `engine` (it failed) or `away` (there was none)",
    "transcript.gap:state": "`missing` or `recognised`",
    "state": ("`signed_out`, `ready`, `reserved`, `ringing`, `talking`, `wrap_up` or `not_ready`"),
    "status": "`ok`, `degraded`, `away`, `no_model` or `off` (by configuration)",
    "summary": "up to three of the citizen's sentences, word for word",
    "talked": "seconds that agent and citizen heard each other",
    "text": "what was said, without blanks between Chinese characters",
    "transcript.final:text": "what was said, as it is written: figures, punctuation, names",
    "ticket_id": "the ticket of this call",
    "trunk": "its name in the configuration",
    "topic": "the prepared topic that fits, or null",
    "unit": "the unit that handles the ticket, or null",
    "up": "whether calls go there now",
    "value": "the new value, of the field's own type",
    "waited": "seconds from arrival to answer",
    "ticket.step:status": "`submitted`, `passed`, `returned`, `answered` or `closed`",
    "party": "who holds it: `caller`, `agent` or `partner`",
    "mode": (
        "`blind` (the agent leaves when the target answers), `consult` (he asks it first) or "
        "`conference` (it joins them)"
    ),
    "stage": (
        "`started`, `ringing`, `joined`, `merged`, `completed`, `cancelled`, `failed` or `left`"
    ),
    "supervisor": "who supervises",
    "watched": "the agent whose call it is, or was",
    "call.supervised:mode": "`listen`, `whisper`, `barge` or `take_over`",
    "call.supervised:stage": "`started`, `joined`, `changed`, `taken_over`, `ended` or `failed`",
    "call.supervised:outcome": "why it failed: `missed`, `refused`, `busy` or `unreachable`",
    "target": "`agent:1002`, `line:12345`, `partner:110`, `expert:water`, else `number`",
    "transferred_by": "the agent who transfers the call, or asks about it; null otherwise",
    "call.transfer:outcome": (
        "why it failed: `missed`, `refused`, `busy` or `unreachable`; null otherwise"
    ),
    "call.ended:outcome": (
        "`answered`, `abandoned`, `failed` (our side broke) or `rejected` (never admitted)"
    ),
    "attempts": "how often he was called back in vain",
    "callback": "the entry's number in the list",
    "calls": "how many of his calls the entry stands for",
    "number": "whom to call back",
    "agent.break_over:minutes": "how much of it a day is meant",
    "agent.break_over:reason": "why he is not ready",
    "agent.break_over:reason_name": "what screens call it",
    "agent.break_over:used": "seconds of it since midnight in China",
    "callback.changed:call_id": "his latest call",
    "callback.changed:outcome": (
        "once closed: `reached`, `called_again`, `unreachable`, `wrong_number` or `not_needed`"
    ),
    "callback.changed:reason": (
        "`asked` (by a key), `failed` (our side broke), `missed` (refused) or `abandoned`"
    ),
    "callback.changed:status": "`open`, `calling` or `closed`",
    "routing.changed:version": "its number, counted from 1",
    "routing.changed:by": "the administrator who changed it",
    "document.changed:version": "its number, counted from 1",
    "document.changed:by": "the administrator who changed it",
    "exchange.ticket:direction": "`in`: a partner handed it over; `out`: we did",
    "exchange.ticket:kind": "`ticket`, or `draft` (of a call that is being transferred)",
    "exchange.ticket:number": "the sender's number of it",
    "exchange.ticket:partner": "the partner, as in the directory",
    "exchange.ticket:reason": "why it was returned, or what was done; else empty",
    "exchange.ticket:reopens": "the sender's number of the one that it takes up again, or null",
    "exchange.ticket:state": "`sent`, `arrived`, `accepted`, `returned` or `finished`",
    "exchange.ticket:ticket_id": "our own ticket, or null",
    "exchange.alarm:message": "the message's `id` (docs/exchange.md)",
    "exchange.alarm:over": "whether the alarm is over: he has it after all",
    "exchange.alarm:partner": "the partner who does not acknowledge it, or refuses it",
    "exchange.alarm:why": "what is wrong with it; empty when it is over",
    "trunk.changed:reason": "why it went down; null when it came up",
    "call.offer_failed:outcome": "`missed`, `refused`, `busy`, `unreachable` or `cancelled`",
}

_AT = 1767571200.25
_CALL: Mapping[str, Any] = {"at": _AT, "call_id": "c-8f2a91"}
_AGENT_CALL: Mapping[str, Any] = {**_CALL, "agent_id": "1001"}

EXAMPLES: tuple[Event, ...] = (
    catalogue.AgentPresence(
        at=_AT, agent_id="1001", state="not_ready", reason="missed", since=_AT, phones=1
    ),
    catalogue.AgentBreakOver(
        at=_AT, agent_id="1001", reason="break", reason_name="小休", minutes=60, used=3604.2
    ),
    catalogue.CallArrived(**_CALL, line="12345", caller="13862311001"),
    catalogue.CallWaiting(**_CALL, line="12345"),
    catalogue.CallOffered(**_AGENT_CALL, line="12345", caller="13862311001"),
    catalogue.CallOfferFailed(**_AGENT_CALL, outcome="missed"),
    catalogue.CallAnswered(
        **_AGENT_CALL, line="12345", caller="13862311001", ticket_id="t-5d10c7", waited=4.2
    ),
    catalogue.CallTransfer(**_AGENT_CALL, stage="ringing", target="partner:110", mode="consult"),
    catalogue.CallSupervised(
        at=_AT,
        call_id="c-8f2a91",
        agent_id="2001",
        stage="joined",
        mode="listen",
        supervisor="2001",
        watched="1001",
    ),
    catalogue.CallHeld(**_AGENT_CALL, party="agent"),
    catalogue.CallResumed(**_AGENT_CALL, party="agent"),
    catalogue.CallMuted(**_AGENT_CALL, muted=True),
    catalogue.CallEnded(
        **_AGENT_CALL, outcome="answered", ended_by="citizen", talked=151.4, ticket_id="t-5d10c7"
    ),
    catalogue.TranscriptPartial(**_AGENT_CALL, leg="caller", text="西北街二百", start=3.2),
    catalogue.TranscriptFinal(
        **_AGENT_CALL,
        leg="caller",
        text="西北街218号边上垃圾没人清。",
        spoken="西北街二百一十八号边上垃圾没人清",
        start=3.2,
        end=7.6,
        confidence=0.97,
        seq=3,
        doubtful=("没人清",),
    ),
    catalogue.TranscriptGap(
        **_AGENT_CALL, leg="caller", start=7.9, end=10.4, reason="load", state="missing"
    ),
    catalogue.TicketField(
        **_AGENT_CALL,
        ticket_id="t-5d10c7",
        field="address",
        value="西北街218号",
        source="heard",
        evidence="西北街二百一十八号",
        confidence=0.78,
        passage={"leg": "caller", "start": 3.2, "end": 6.1, "bits": [[3.2, 6.1]]},
    ),
    catalogue.TicketUrgent(
        **_AGENT_CALL,
        ticket_id="t-5d10c7",
        level="特急",
        rule="突发：火情或爆炸",
        transfer="119",
        category="消防安全",
        place="西北街218号",
        evidence="着火",
    ),
    catalogue.TicketSubmitted(
        **_AGENT_CALL,
        ticket_id="t-5d10c7",
        fields={"name": "陆", "title": "先生", "phone": "13862311001", "address": "西北街218号"},
    ),
    catalogue.TicketStep(
        **_AGENT_CALL,
        ticket_id="t-5d10c7",
        action="pass_on",
        status="passed",
        by="1001",
        unit="城管局",
        deadline_at=_AT + 432000,
    ),
    catalogue.CallHelp(
        **_AGENT_CALL,
        ticket_id="t-5d10c7",
        topic="垃圾与环境卫生",
        questions=("有多久没有清理了？",),
        knowledge=(
            {
                "id": "rubbish",
                "version": 2,
                "title": "生活垃圾清运",
                "category": "市容管理",
                "source": "《城市生活垃圾管理办法》第十八条",
                "snippet": "生活垃圾日产日清……",
                "experts": [],
            },
        ),
        similar=(),
        summary=("西北街218号边上垃圾没人清。",),
    ),
    catalogue.CallBackChanged(
        at=1764150140.2,
        agent_id="1001",
        call_id="20251126T174200123-1a2b3c4d",
        callback=17,
        number="13862311001",
        line="12345",
        reason="abandoned",
        status="calling",
        calls=2,
        attempts=0,
    ),
    catalogue.ExchangeTicket(
        at=_AT,
        partner="110",
        direction="in",
        kind="ticket",
        number="JQ20260105-17",
        state="accepted",
        ticket_id="t-5d10c7",
    ),
    catalogue.ExchangeAlarm(
        at=_AT, partner="110", message="ticket:t-5d10c7:1", why="no acknowledgement"
    ),
    catalogue.ServiceStatus(
        at=_AT, part="recogniser", status="no_model", detail="no model at var/models"
    ),
    catalogue.TrunkChanged(at=_AT, trunk="telecom-1", up=False, reason="no answer to OPTIONS"),
    catalogue.RoutingChanged(at=_AT, version=7, by="9001"),
    catalogue.DocumentChanged(at=_AT, document="partners", version=2, by="9001"),
)

_HEAD = """\
# Events

<!-- Written by `python -m eventbus.docs` from eventbus/catalogue.py. Don't edit. -->

Everything that happens is published once, as one JSON object, in three places:

| where | what | who gets it |
|---|---|---|
| WebSocket feed | the object as below | see "Feed" at each event |
| Redis channel `hotline:events` | `{"node": ..., "event": {...}}` | the other nodes; live only |
| MQTT `hotline/...` | with `id` and `node`, numbers masked | whoever the broker lets subscribe |

Over MQTT, events are delivered at least once (QoS 1), those of a node in order. After a broken
connection an event may come again with the same `id`; use it to discard duplicates. While the
broker is away, events wait in the node's outbox. Only `transcript.partial` is QoS 0 and not kept.
`mqtt.partials = false` leaves it out, because a wish for secrecy may follow the words it contains.
`hotline/node/<node>/status` (retained) is `online` or `offline`. Telephone numbers are masked
(152****2668; `mqtt.full_numbers` changes that), except in `ticket.submitted`, which contains
neither name nor number if the citizen asked for secrecy. Once the citizen has asked for it
(`secret` is true), MQTT also omits what was said and what was taken from it: `text`, `spoken` and
`doubtful` of transcripts, `evidence`, `place`, what `call.help` tells, and the `value` of fields
except `type`, `category`, `urgent`, `urgency`, `urgency_reason`, `transfer`, `secret` and `repeat`.
The place of the matter is published once, with `ticket.submitted`, because the unit needs it.
Tickets handed over to partners do not travel as events ([exchange.md](exchange.md)).

Ignore events and fields that you do not know: more will be added, and none will change its
meaning. Nodes do the same, so that two versions can run side by side during an upgrade. Times are
Unix seconds unless a field says otherwise. In the feed, administrators get
whatever supervisors get, and inspectors `call.ended`, `ticket.submitted` and `ticket.step`.
"""


def render() -> str:
    """Return the whole page."""
    examples = {type(example): example for example in EXAMPLES}
    index = "\n".join(f"- [`{e.name}`](#{_anchor(e.name)})" for e in ALL_EVENTS)
    sections = [_section(event, examples[event]) for event in ALL_EVENTS]
    return "\n".join([_HEAD, index, "", *sections])


def _section(event: type[Event], example: Event) -> str:
    rows = "\n".join(
        f"| `{f.name}` | {_type(f)} | {_meaning(event, f.name)} |" for f in fields(event)
    )
    partial = event is catalogue.TranscriptPartial
    quality = "QoS 0, unless `mqtt.partials` is false" if partial else "QoS 1"
    if event is catalogue.ServiceStatus:
        audience = "everybody signed in: the desktop says what does not work"
    elif example.agent_id is not None:
        audience = "the agent named in `agent_id`; supervisors"
    else:
        audience = "supervisors"
    body = json.dumps(example.to_dict(), ensure_ascii=False, indent=2)
    return f"""\
## {event.name}

{inspect.getdoc(event)}

MQTT topic `hotline/{event.name.replace(".", "/")}`, {quality}. Feed: {audience}.

| field | type | meaning |
|---|---|---|
| `event` | string | `{event.name}` |
{rows}

```json
{body}
```
"""


def _meaning(event: type[Event], field: str) -> str:
    return _FIELDS.get(f"{event.name}:{field}") or _FIELDS[field]


_TYPES: Mapping[Any, str] = {str: "string", float: "number", int: "integer", Any: "any"}


def _type(field: Field[Any]) -> str:
    if isinstance(field.type, UnionType):
        names = (_TYPES.get(t, "object") for t in get_args(field.type) if t is not type(None))
        return " or ".join([*names, "null"])
    return "list" if field.type == tuple[str, ...] else _TYPES.get(field.type, "object")


def _anchor(name: str) -> str:
    # GitHub's rule: punctuation other than hyphen and underscore vanishes.
    return name.replace(".", "")


def main(arguments: list[str] | None = None) -> int:
    """Write the page; with ``--check``, compare only and return 1 when it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m eventbus.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if out of date")
    options = parser.parse_args(arguments)
    page = render()
    if not options.check:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{PAGE} is out of date: run python -m eventbus.docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
