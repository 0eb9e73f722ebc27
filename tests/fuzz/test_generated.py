"""Whatever is typed or put into a file: one line and exit status 2, or it is accepted."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import inputs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return inputs.example_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return inputs.example_stores(tmp_path_factory.mktemp("stores") / "run")


KINDS = {
    "flags": lambda *_: inputs.with_flags,
    "settings": lambda *_: inputs.with_settings,
    "config": lambda *_: inputs.with_config,
    "demand": lambda *_: inputs.with_demand,
    "run": lambda run, _: inputs.with_run(run),
    "state": lambda _, stores: inputs.with_state(stores),
}


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_one_line(kind, run, stores, tmp_path):
    home = tmp_path / "home"
    home.mkdir()

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def attempt(data):
        tried = data.draw(KINDS[kind](run, stores))
        outcome = inputs.carry_out(tried, home)
        assert outcome.fine, (tried.command, tried.arguments, outcome)

    attempt()
