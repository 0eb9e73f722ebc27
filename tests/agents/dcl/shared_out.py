"""What is shared out, in small: labels of every kind, and an evaluation in chunks."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from agents.config import resolve
from agents.dcl.algorithm import DCL
from agents.dcl.halving import Halving
from agents.dcl.offset_rollouts import OffsetLabeller, OffsetSearch
from agents.dcl.store_rollouts import StoreLabeller, Visits, compiled_store
from agents.players import learning_batch
from agents.weights import weights_hash
from baselines.rules.cash import BuyBuyConvert
from baselines.rules.stock_rule import StockLevels
from commands import textbook
from common.shards import Workers
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from evaluation.comparison import compare
from wrappers.vec_env import BatchVecEnv

BAKERY = Path(__file__).parents[3] / "data" / "bakery_3stores.csv"


def weights() -> str:
    """Return the weights that labels of any batch lead to."""
    batch = CashBatch(CashParameters(max_steps=6), 4, expected_reward=True, observe_step=True)
    small: Any = {"n_states": 60, "paths": (4, 8), "keep": (3, 2), "fit_steps": 20, "seed": 1}
    model = DCL("MlpPolicy", BatchVecEnv(batch), rule=BuyBuyConvert, device="cpu", **small)
    return weights_hash(model.learn(180))


def store_labels() -> list[Any]:
    """Return what compiled roll-outs of a single store say."""
    batch = learning_batch(textbook.load("lost_sales_p19_L3")[0], "store", None, 3)
    store = compiled_store(batch)
    assert store is not None
    halving = Halving((16, 32), (4, 2), 3.0)
    labeller = StoreLabeller(batch, store, Visits(200, 0.15, 2), halving, 40, 1)
    labels, own = labeller.label(None, StockLevels(30, cap=8), 4)
    return [labels.losses.tolist(), labels.values.tolist(), labels.steps, own.tolist()]


def offset_labels() -> list[Any]:
    """Return what offsets to a rule cost on resampled days."""
    flags = {"algo": "dcl", "demand": BAKERY, "split": "2017-01-01"}
    run = resolve(flags, assignments=("offset.rule=newsvendor_smoothing", "horizon=10"))
    rng = np.random.default_rng(0)
    batch: Any = learning_batch(run, "store", None, 12, rng=rng, expected_reward=True)
    labeller = OffsetLabeller(batch, OffsetSearch(60, 2, 0.3, 1), lambda seen: seen)
    return [labeller.label(None, 5).costs.tolist()]


def all_labels() -> dict[str, Any]:
    """Return labels of every kind, as JSON values."""
    return {"weights": weights(), "store": store_labels(), "offsets": offset_labels()}


def evaluation(workers: Workers) -> str:
    """Return what an evaluation of three chunks prints."""
    parameters, rules = CashParameters(max_steps=4), {"buy_buy_convert": BuyBuyConvert()}
    found = compare(
        PROBLEMS["cash"], parameters, rules, None, episodes=21_000, seed=1, workers=workers
    )
    return json.dumps(found.to_json())
