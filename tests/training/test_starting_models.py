"""What a run may begin with (``--from``), and what it takes of that."""

import pytest

from agents.config import resolve
from common.errors import InputError
from training.learners.build import build_learners
from training.phases import resolve_phases, train_phases
from training.trainer import train

SMALL = (
    *("timesteps=24", "n_envs=6", "n_steps=3", "batch_size=18", "net_arch=[4]"),
    *("evaluation.every=24", "evaluation.episodes=2", "evaluation.pictures=0"),
)
CHAIN = (*SMALL, "horizon=3")
FLAGS = {"algo": "ppo", "stores": 2}


def chain(*more, **flags):
    return resolve({**FLAGS, **flags}, assignments=(*CHAIN, *more))


@pytest.fixture(scope="session")
def tiers(tmp_path_factory):
    """Return a run with a model for every tier."""
    configs = resolve_phases((1, 2, 3), FLAGS, assignments=CHAIN)
    return train_phases((1, 2, 3), configs, tmp_path_factory.mktemp("tiers") / "run")[0]


def test_models_that_are_tuned_together_learn_in_the_run_s_own_worlds_for_its_own_goal(tiers):
    run = chain("team.goal=system", "scenario=scarce", "horizon=4", learn="all")
    for learner in build_learners(run, tiers).learners:
        assert learner.config.parameters == run.parameters
        assert learner.env.unwrapped.batch.parameters == run.parameters
        assert learner.env.unwrapped.batch.system
        assert learner.config.hyperparameters.learning_rate == 1e-4


@pytest.mark.parametrize("learn", ["all", "store", "supplier"])
def test_models_that_see_otherwise_are_refused_with_the_remedy(learn, tiers):
    with pytest.raises(InputError, match=r"sees another .* add .* --set observation\.step=false"):
        build_learners(chain("observation.step=true", learn=learn), tiers)


def test_the_stores_model_is_tuned_on_as_the_kind_of_policy_that_it_is(tiers):
    with pytest.raises(InputError, match="model is shared, this run's is joint; add --policy sha"):
        build_learners(chain(learn="all", policy="joint"), tiers)


@pytest.mark.parametrize(
    ("more", "flags", "message"),
    [
        (("net_arch=[5]",), {}, r"net_arch = \(4,\), this run \(5,\); give both the same"),
        (("activation=tanh",), {}, "activation = relu, this run tanh"),
        (("observation.normalize=none",), {}, "observation.normalize = running, this run none"),
        ((), {"policy": "joint"}, "team.policy = shared, this run joint"),
    ],
)
def test_a_model_with_another_network_is_refused_by_the_setting(more, flags, message, tiers):
    with pytest.raises(InputError, match=message) as refused:
        build_learners(chain(*more, **flags), tiers)
    assert "\n" not in str(refused.value)


def test_a_run_of_another_problem_or_kind_of_algorithm_is_refused(tiers, tmp_path):
    short = ("max_steps=4", "observation.normalize=none")
    cash = resolve({"algo": "ppo", "problem": "cash"}, assignments=(*SMALL, *short))
    folder = train(cash, tmp_path / "cash").folder
    for learn in ("store", "warehouse"):
        with pytest.raises(InputError, match="is of the cash problem, this run of the stores"):
            build_learners(chain(learn=learn), folder)
    other = resolve({"algo": "dqn"}, assignments=("n_envs=6", "net_arch=[4]", *short))
    with pytest.raises(InputError, match="algo = ppo, this run dqn; give both the same"):
        build_learners(other, folder)
    again = resolve({"algo": "maskable_ppo"}, assignments=(*SMALL, *short))
    assert len(build_learners(again, folder).learners) == 1
