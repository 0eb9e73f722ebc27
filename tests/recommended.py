"""Runs that order by a rule, as `recommend.py` leaves them."""

from agents.run_folder import claim, write_start, write_versions
from agents.tuned_file import Recommendation
from commands.recommendation.advice import in_words


def write_rule_run(run, folder, rule, **values):
    """Write the folder of a run that orders by a rule, with the values that were tuned."""
    with claim(run, folder):
        write_start(run, folder, {})
        write_versions(folder, finished=True)
        advice = {"values": values, "sentence": in_words(rule), "figures": {}}
        Recommendation(kind="rule", name=rule, **advice).write(folder)
