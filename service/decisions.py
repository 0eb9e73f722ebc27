"""A decision: the same code as ``decide.py``, guarded, written once, and kept to be shown again."""

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from commands.known_days import left_out
from commands.morning import Morning
from commands.orders import Advice, daily_demand, days_to_review
from common.errors import InputError, NumericalError, short
from demand.history import StoreHistory
from service.guards import (
    DRIFT,
    LIMIT,
    STALE,
    Guards,
    exceptions_of,
    finite,
    guard,
    periods_old,
)
from service.policies import CHAMPION, LoadedRun, Policies, load
from service.requests import DecisionRequest
from service.store import audit_log, order_book
from service.store.database import Database, canonical, now
from service.store.tables import DECISIONS, KEYS

Row = dict[str, Any]
MOST_DAYS_EARLY = 62
"""A morning later than that is a slip: it would be the newest day for as long as it is not over."""


class KeyReusedError(Exception):
    """A key of idempotency came again with other contents; the message is one line."""


@dataclass(frozen=True)
class Answer:
    """What a caller gets.

    Attributes
    ----------
    content : str
        JSON.
    repeated : bool
        Whether it is the first answer again.
    """

    content: str
    repeated: bool

    def orders(self) -> list[Row]:
        """Return the orders in it."""
        found: list[Row] = json.loads(self.content)["orders"]
        return found


@dataclass(frozen=True)
class Computed:
    """Orders of a morning, before they are written.

    Attributes
    ----------
    rows : list of dict
        Columns of the table of orders, without its life.
    answer : str
        They and what they were made of, as JSON: the same bytes for the same input.
    notes : list of str
        What the planner must know besides: what sells and has no row in the state.
    """

    rows: list[Row]
    answer: str
    notes: list[str]


class Decisions:
    """Decides, once for every input.

    Parameters
    ----------
    base : Database
        Where orders and decisions are kept.
    policies : Policies
        Who decides.
    guards : Guards
        The limits.
    today : callable
        Gives the present day.
    """

    def __init__(
        self, base: Database, policies: Policies, guards: Guards, today: Any = dt.date.today
    ) -> None:
        self._base, self._policies, self.guards = base, policies, guards
        self.today = today

    @property
    def known(self) -> StoreHistory:
        """The demand file of the policy that decides."""
        return self._policies.champion.decider.known

    def decide(self, user: str, request: DecisionRequest, key: str | None = None) -> Answer:
        """Return the orders of a morning, and propose them.

        Parameters
        ----------
        user : str
            Who asks.
        request : DecisionRequest
            The state.
        key : str, optional
            Of idempotency: the same contents under it get the first answer.

        Raises
        ------
        InputError
            If the state cannot be used.
        KeyReusedError
            If the key came with other contents before.
        """
        body, today = request.model_dump(mode="json"), self.today()
        if request.date is not None and (request.date - today).days > MOST_DAYS_EARLY:
            most = f"at most {MOST_DAYS_EARLY} days after today, {today}"
            raise InputError(f"date = {request.date}: must be {most}")
        content_hash = "" if key is None else audit_log.digest(canonical(body))
        if key is not None and (kept := self._under_key(user, key, content_hash)) is not None:
            return Answer(kept, repeated=True)
        champion, candidate = self._policies.champion, self._policies.candidate
        failure = "" if champion.is_unaltered() else "the policy's files were altered"
        inputs = {"state": body, "guards": self.guards.to_dict(), "failure": failure}
        inputs |= {"manifest": champion.manifest, "today": today.isoformat()}
        inputs["rule"] = champion.decider.rule[0]
        text = canonical(inputs)
        input_hash = audit_log.digest(text)
        computed = compute(champion, inputs, request)
        shadow = None if candidate is None else _shadow(candidate, inputs, request)
        decision = {
            **{"id": secrets.token_hex(16), "user": user, "policy": CHAMPION},
            **{"run": str(champion.folder), "manifest": champion.manifest},
            **{"date": computed.rows[0]["date"], "input_hash": input_hash, "request": text},
            **{"answer": computed.answer, "answer_hash": audit_log.digest(computed.answer)},
        }
        with self._base.writing() as connection:
            if key is not None:
                kept = _kept(connection, user, key, content_hash)
                if kept is not None:
                    return Answer(kept, repeated=True)
            last = _last_of_day(connection, decision["date"])
            if last is not None and last.input_hash == input_hash:
                if key is not None:
                    _keep(connection, user, key, content_hash, last.id)
                return Answer(last.response, repeated=True)
            self._policies.check_champion(connection, champion)
            decision["time"] = now(None if last is None else last.time)
            response = self._write(connection, user, decision, computed, shadow)
            if key is not None:
                _keep(connection, user, key, content_hash, decision["id"])
        return Answer(response, repeated=False)

    def _under_key(self, user: str, key: str, content_hash: str) -> str | None:
        with self._base.reading() as connection:
            return _kept(connection, user, key, content_hash)

    def _write(
        self,
        connection: Connection,
        user: str,
        decision: Row,
        computed: Computed,
        shadow: tuple[str, list[float]] | None,
    ) -> str:
        """Write a decision with its orders; return the answer."""
        proposals = [
            {**row, "policy": CHAMPION, "decision": decision["id"], "row": number}
            for number, row in enumerate(computed.rows)
        ]
        done = order_book.propose(connection, user, proposals)
        if shadow is not None:
            ids = [order["id"] for order in done.orders]
            order_book.write_shadows(connection, shadow[0], dict(zip(ids, shadow[1], strict=True)))
        orders = [
            {**public(order), "kept": kept}
            for order, kept in zip(done.orders, done.kept, strict=True)
        ]
        response = json.dumps(
            {
                "decision": decision["id"],
                "policy": CHAMPION,
                "run": Path(decision["run"]).name,
                "date": decision["date"].isoformat(),
                "orders": orders,
                "notes": computed.notes,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        decision["response"] = response
        connection.execute(DECISIONS.insert(), decision)
        content = audit_log.summary(decision)
        audit_log.append(connection, user, [("decision", decision["id"], content)])
        return response

    def replay(self, decision_id: str) -> tuple[str, str]:
        """Return what was answered, and what the same input gives now, both before any order.

        Raises
        ------
        InputError
            If there is no such decision, or its run is gone or altered.
        """
        row = self.find(decision_id)
        inputs = json.loads(row["request"])
        run = load(row["run"], inputs["rule"])
        if run.manifest != row["manifest"]:
            raise InputError(f"decision {decision_id}: its run {row['run']} was altered since")
        return row["answer"], compute(run, inputs).answer

    def find(self, decision_id: str) -> Row:
        """Return a decision.

        Raises
        ------
        InputError
            If there is none, or its contents are no longer kept.
        """
        with self._base.reading() as connection:
            query = sql.select(DECISIONS).where(DECISIONS.c.id == decision_id)
            row = connection.execute(query).mappings().first()
        if row is None:
            raise InputError(f"decision {short(decision_id)}: there is none, or it is not kept")
        return dict(row)

    def morning(self, run: LoadedRun, decision: Mapping[str, Any], row: int) -> Morning:
        """Return the morning of a decision, with one row of its state."""
        state = DecisionRequest.model_validate(json.loads(decision["request"])["state"])
        one = state.model_copy(update={"items": [state.items[row]]})
        known = run.decider.known
        today = run.decider.today(
            one.state(known), date=decision["date"], calendar=one.known_days(known)
        )
        return run.decider.morning(today)


def compute(
    run: LoadedRun, inputs: Mapping[str, Any], request: DecisionRequest | None = None
) -> Computed:
    """Return the orders for an input that was kept, or is about to be.

    `request` is what the input has as its state, where that was read already.

    Raises
    ------
    InputError
        If the state cannot be used.
    """
    if request is None:
        request = DecisionRequest.model_validate(inputs["state"])
    guards, failure = Guards(**inputs["guards"]), inputs["failure"]
    today = dt.date.fromisoformat(inputs["today"])
    decider = run.decider
    state, calendar = request.state(decider.known), request.known_days(decider.known)
    with run.lock:
        known = decider.today(state, date=request.date, calendar=calendar, today=today)
        morning = decider.morning(known)
        advice, broken = _advice(run, morning)
    guarded = guard(decider, advice, guards, today=today, failure=failure or broken)
    stale = periods_old(run.decider, morning.day, today) > guards.max_age
    rows = _rows(run, advice, guarded, stale=stale)
    shown = [{**row, "date": str(row["date"]), "arrives": str(row["arrives"])} for row in rows]
    note = left_out(decider.known, state.places, morning.day)
    answer = canonical({"orders": shown, "manifest": run.manifest})
    return Computed(rows, answer, [note] if note else [])


def _advice(run: LoadedRun, morning: Morning) -> tuple[Advice, str]:
    """Return what is ordered, and why the rule must decide alone, if so."""
    try:
        advice = run.decider.advise(morning)
    except NumericalError as error:
        return run.decider.advise(morning, rule_alone=True), str(error)
    if not finite(advice):
        return run.decider.advise(morning, rule_alone=True), "the policy's orders are no numbers"
    return advice, ""


def _rows(run: LoadedRun, advice: Advice, guarded: Any, *, stale: bool) -> list[Row]:
    """Return the columns of the table of orders that a decision fills."""
    morning, table = advice.morning, run.decider.known.table
    quantities = guarded.quantities
    after = leads_to(morning, quantities)
    lead_time = morning.due.shape[1]
    drifts = [""] * len(quantities)
    if morning.now.recent is not None:  # else it is of the file that it was trained on
        drifts = run.drift.of(morning.recent, morning.now.places, morning.today.given)
    price = None if morning.now.price is None else morning.now.price.tolist()
    on_order, on_hands = morning.due.sum(axis=1).tolist(), morning.now.on_hand.tolist()
    asked, by_rule = advice.asked.tolist(), advice.by_rule.tolist()
    forecast, gaps = advice.daily.tolist(), advice.gaps.tolist()
    arrives = table.periods.date(table.periods.number(morning.day) + lead_time)
    rows = []
    for n, (sku, store) in enumerate(morning.now.places.tolist()):
        row: Row = {
            "date": morning.day,
            "store": table.stores[store],
            "sku": table.skus[sku],
            "quantity": quantities[n],
            "source": guarded.sources[n],
            "reason": "",
            "asked": round(asked[n], 2),
            "rule": run.decider.rule[0],
            "rule_quantity": round(by_rule[n], 2),
            "on_hand": round(on_hands[n], 2),
            "on_order": round(on_order[n], 2),
            "forecast": round(forecast[n], 2),
            **after[n],
            "price": None if price is None else price[n],
            "arrives": arrives,
            "held_back": guarded.held_back[n],
            "unusual": ", ".join(text for text in (advice.unusual[n], drifts[n]) if text),
        }
        known = {LIMIT: guarded.limited[n], DRIFT: bool(drifts[n]), STALE: stale}
        row["exceptions"] = ",".join(exceptions_of(row, days=lead_time + gaps[n], known=known))
        rows.append(row)
    return rows


def leads_to(morning: Morning, quantities: list[float]) -> list[Row]:
    """Return what the orders of a morning lead to: columns of the table of orders, per row."""
    orders = np.array(quantities)
    chances = morning.stockout_chances(orders, days_to_review(morning)).tolist()
    covers = morning.days_of_cover(orders, daily_demand(morning))
    on_hand, on_order = morning.now.on_hand.tolist(), morning.due.sum(axis=1).tolist()
    return [
        {
            "level": round(on_hand[n] + on_order[n] + quantity, 2),
            "days_of_cover": covers[n],
            "stockout_before": round(chances[n][0], 3),
            "stockout_after": round(chances[n][1], 3),
        }
        for n, quantity in enumerate(quantities)
    ]


def _shadow(
    candidate: LoadedRun, inputs: Mapping[str, Any], request: DecisionRequest
) -> tuple[str, list[float]] | None:
    """Return what the candidate would order; None where it cannot decide."""
    try:
        rows = compute(candidate, inputs, request).rows
    except InputError:
        return None
    return str(candidate.folder), [row["asked"] for row in rows]


def public(order: Mapping[str, Any]) -> Row:
    """Return an order as callers see it."""
    shown = {**order, "date": order["date"].isoformat(), "arrives": order["arrives"].isoformat()}
    price = order["price"]
    shown["cost"] = None if price is None else round(price * order["quantity"], 2)
    shown["exceptions"] = [name for name in order["exceptions"].split(",") if name]
    del shown["row"]
    return shown


def _kept(connection: Connection, user: str, key: str, content_hash: str) -> str | None:
    query = (
        sql.select(KEYS.c.content_hash, DECISIONS.c.response)
        .join(DECISIONS, DECISIONS.c.id == KEYS.c.decision)
        .where(KEYS.c.user == user, KEYS.c.key == key)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    if row.content_hash != content_hash:
        raise KeyReusedError(
            f"Idempotency-Key {key}: came with other contents before; take a new one"
        )
    return str(row.response)


def _keep(connection: Connection, user: str, key: str, content_hash: str, decision: str) -> None:
    row = {"user": user, "key": key, "content_hash": content_hash, "decision": decision}
    connection.execute(KEYS.insert(), {**row, "time": now()})


def _last_of_day(connection: Connection, date: dt.date) -> Any:
    names = (DECISIONS.c.id, DECISIONS.c.time, DECISIONS.c.input_hash, DECISIONS.c.response)
    query = sql.select(*names)
    own = (DECISIONS.c.policy == CHAMPION, DECISIONS.c.date == date)
    return connection.execute(query.where(*own).order_by(DECISIONS.c.time.desc()).limit(1)).first()
