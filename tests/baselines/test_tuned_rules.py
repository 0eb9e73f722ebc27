"""Tuning on days that are held out of what is learned."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from baselines.registry import baselines_of
from baselines.rules import families
from baselines.tuned_rules import fingerprint, held_out_days, tune_rule
from common.errors import validated
from demand.calendar import period_days
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]
NAME = "tuned_newsvendor_smoothing_covariates"
FLAGS = 12
FIRST = dt.date(2019, 1, 1)


def days_of(parameters, split):
    table = parameters.history.table
    return period_days(table, parameters.demand_data, split)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return four stores, beside flags that say nothing; with so many days before the split."""

    def make(days=730, more=200, twice=None, **store):
        rng = np.random.default_rng(0)
        sales = rng.poisson(20, (days + more, 4))
        if twice is not None:
            sales[twice] *= 2
        flags = rng.random((days + more, 4, FLAGS)) < 0.03
        path = tmp_path_factory.mktemp("shop") / "sales.csv"
        names = [f"promotion_{k}" for k in range(FLAGS)]
        rows = [",".join(["date", "store", "demand", *names])]
        for day in range(days + more):
            date = FIRST + dt.timedelta(days=day)
            for k in range(4):
                own = ",".join(map(str, flags[day, k].astype(int)))
                rows.append(f"{date},s{k},{sales[day, k]},{own}")
        path.write_text("\n".join(rows))
        source = {"file": path, "split": FIRST + dt.timedelta(days=days), "covariates": names}
        source["validation"] = FIRST + dt.timedelta(days=days - 1)
        own = {"order_units": list(range(0, 400, 2)), "lead_time": 2, **store}
        given = {"demand_data": source, "objective": "cost", "store": own, "horizon": 14}
        return validated(SupplyChainParameters, given)

    return make


def test_periods_are_the_second_half_of_training_and_each_knows_what_was_before(shop):
    p = shop()
    training = days_of(p, "training")
    first, second = held_out_days(p)
    assert days_of(first, "evaluation") == range(round(len(training) / 2), round(0.75 * 729))
    assert days_of(second, "evaluation") == range(round(0.75 * 729), training.stop)
    for own in (first, second):
        days = days_of(own, "evaluation")
        assert own.horizon == len(days)
        assert days_of(own, "training").stop == days.start - 1
        assert own.store == p.store
        assert len(STORES.traces(own, "evaluation", 0, 200)["demand"]) == 1


@pytest.mark.parametrize(("days", "count"), [(300, 2), (64, 1), (44, 0)])
def test_periods_before_which_little_is_known_are_left_out(shop, days, count):
    p = shop(days)
    assert len(held_out_days(p)) == count
    rule = baselines_of("stores", p)[NAME]
    splits = [played.split for played in rule.episodes(STORES, p, 0)]
    assert splits == (["evaluation"] * count or ["tuning"])


def held_and_not(parameters, name):
    rule = baselines_of("stores", parameters)[name]
    return [
        tune_rule(STORES, parameters, name, one).values
        for one in (rule, replace(rule, held_out=False))
    ]


def test_what_is_learned_of_chance_is_not_trusted(shop):
    held, not_held = held_and_not(shop(), NAME)
    assert held["safety_multiplier"] - not_held["safety_multiplier"] > 0.1


def test_a_base_stock_is_tuned_on_held_out_days_where_its_forecast_learns(shop, monkeypatch):
    monkeypatch.setattr(families, "WORK", 200_000)
    p = shop()
    held, not_held = held_and_not(p, "tuned_weekday_covariates")
    assert held["safety_factor"] > not_held["safety_factor"]
    rules = baselines_of("stores", p)
    assert rules["tuned_smoothing"].held_out
    assert not rules["tuned_base_stock"].held_out
    assert not rules["tuned_weekday"].held_out


def test_days_after_training_have_no_influence_and_all_of_training_make_the_fingerprint(shop):
    p, later, sooner = shop(), shop(twice=slice(730, None)), shop(twice=40)
    rule = baselines_of("stores", p)[NAME]
    tuned = [tune_rule(STORES, one, NAME, rule) for one in (p, later)]
    assert tuned[0].values == tuned[1].values
    assert tuned[0].score == tuned[1].score
    named = p.model_copy(update={"demand_data": sooner.demand_data})
    assert fingerprint(STORES, p, NAME, rule) != fingerprint(STORES, named, NAME, rule)
