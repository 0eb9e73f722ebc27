"""Where an untrained policy's orders lie, and how its bonus for entropy falls."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.config import resolve
from agents.models import build_model, order_biases
from common.errors import InputError
from training.learners.build import build_learners
from training.learners.calibration import calibrate

ROW = Path(__file__).parents[2] / "configs" / "textbook" / "lost_sales_p4_L2.yaml"
SMALL = ("n_envs=8", "horizon=260")


def first_chances(*assignments, flags=None, config=ROW):
    """Return the chances of the actions of an untrained policy, shape (rows, actions)."""
    run = resolve(flags or {}, config=config, assignments=(*SMALL, *assignments))
    (learner,) = build_learners(run).learners
    seen = torch.as_tensor(np.asarray(learner.env.reset()))
    with torch.no_grad():
        laws = learner.model.policy.get_distribution(seen).distribution
    laws = laws if isinstance(laws, list) else [laws]
    return torch.cat([law.probs for law in laws]).numpy()


def test_first_orders_lie_near_the_mean_demand():
    orders = np.arange(21)
    expected = np.exp(-((orders - 5) ** 2) / 8)
    chances = first_chances()
    assert chances == pytest.approx(np.tile(expected / expected.sum(), (8, 1)), abs=0.02)
    assert chances @ orders == pytest.approx(5.0, abs=0.2)


def test_without_it_all_orders_are_about_equally_likely():
    assert first_chances("initial_order=none") == pytest.approx(1 / 21, abs=0.02)


@pytest.mark.parametrize("policy", ["shared", "joint"])
def test_first_orders_of_stores_in_multiples_of_their_forecast(policy):
    """0, 0.5, 1 and 1.5 times the forecast; the same for stores of any size."""
    flags = {"problem": "stores", "policy": policy}
    chances = first_chances("initial_order=mean", flags=flags, config=None)
    expected = np.exp(-((np.array([0, 0.5, 1, 1.5]) - 1) ** 2) / 0.32)
    assert chances[0] == pytest.approx(expected / expected.sum(), abs=0.03)


def test_first_orders_of_the_warehouse():
    """Of 0, 500, 1000 and 1500 units none is near the 185 that are asked for but the first."""
    flags = {"problem": "stores", "learn": "warehouse"}
    chances = first_chances("initial_order=mean", flags=flags, config=None)
    assert chances[0].argmax() == 0
    assert (order_biases(np.array([[0.0, 1e6]])) >= -30).all()


def test_first_orders_of_stores_that_learn_apart_are_multiples_of_their_own_forecasts():
    flags = {"problem": "stores", "policy": "independent", "stores": 3, "algo": "ppo"}
    settings = ("n_envs=4", "initial_order=mean", "store.order_units=[0,50,100,150]")
    learners = build_learners(resolve(flags, assignments=settings)).learners
    for learner, forecast in zip(learners, (50, 60, 75), strict=True):
        expected = -((np.array([0, 50, 100, 150]) / forecast - 1) ** 2) / 0.32
        biases = learner.model.policy.action_net.bias.detach().numpy()
        assert biases == pytest.approx(expected, rel=1e-5), learner.player


def test_first_orders_of_stores_that_choose_offsets_are_their_rules_own(demand_file):
    flags = {"algo": "ppo", "demand": demand_file["file"], "split": demand_file["split"]}
    offsets = ("n_envs=4", "store.action=offset", "offset.rule=newsvendor_smoothing", "horizon=10")
    run = resolve(flags, assignments=(*offsets, "initial_order=mean"))
    with pytest.raises(InputError, match="initial_order = mean: the stores choose offsets"):
        build_learners(run)


@pytest.mark.parametrize("flags", [{"problem": "cash"}, {"problem": "stores", "learn": "supplier"}])
def test_where_actions_are_no_quantities_it_is_refused(flags):
    flags = {**flags, "algo": "ppo"}
    with pytest.raises(InputError, match="initial_order = mean"):
        build_learners(resolve(flags, assignments=("initial_order=mean",)))


def test_the_bonus_for_entropy_falls_to_its_end():
    run = resolve({"timesteps": 640}, config=ROW, assignments=(*SMALL, "n_steps=20"))
    (learner,) = build_learners(run).learners
    coefficients = []
    model = learner.model
    train = type(model).train

    def noted(self):
        train(self)
        coefficients.append(self.ent_coef)

    model.train = noted.__get__(model)
    model.learn(640)
    assert coefficients == pytest.approx([0.02 * left for left in (0.75, 0.5, 0.25, 0.0)], abs=1e-9)


def test_without_an_end_the_bonus_stays():
    run = resolve({}, config=ROW, assignments=(*SMALL, "ent_coef_final=null"))
    (learner,) = build_learners(run).learners
    assert build_model("ppo", run.hyperparameters, learner.env, seed=0).entropy_schedule is None


@pytest.mark.parametrize(
    ("algo", "settings", "message"),
    [
        *((algo, (1, 1), "n_steps = 1: is a single state") for algo in ("ppo", "trpo", "a2c")),
        *(
            (algo, (5, 13), "batch_size = 64: leaves one")
            for algo in ("maskable_ppo", "recurrent_ppo")
        ),
        *((algo, (5, 13), None) for algo in ("ppo", "trpo", "a2c")),
        ("maskable_ppo", (5, 14), None),
    ],
)
def test_the_advantage_of_a_single_state_is_not_normalised(algo, settings, message):
    """Its deviation is none, and one such minibatch makes all weights NaN."""
    sizes = [f"n_envs={settings[0]}", f"n_steps={settings[1]}", "normalize_advantage=true"]
    run = resolve({"algo": algo}, assignments=(*sizes, *["batch_size=64"] * (algo != "a2c")))
    if message is None:
        build_learners(run)
        return
    with pytest.raises(InputError, match=message):
        build_learners(run)
    hyperparameters = run.hyperparameters.model_copy(update={"normalize_advantage": False})
    build_learners(replace(run, hyperparameters=hyperparameters))


def test_rewards_are_measured_from_the_newsvendor_rule():
    """Its cost is near that of a good base-stock policy, which random orders are far from."""
    by = {
        who: calibrate(
            resolve({}, config=ROW, assignments=(*SMALL, f"reward.calibration={who}")), "store"
        )
        for who in ("newsvendor", "random")
    }
    assert 4.4 < by["newsvendor"].settings.reward.shift < 6
    assert by["random"].settings.reward.shift > 100
    with pytest.raises(InputError, match="calibration = newsvendor"):
        calibrate(resolve({"learn": "warehouse"}, config=ROW), "warehouse")
